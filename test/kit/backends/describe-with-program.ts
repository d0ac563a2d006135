import { describe, it } from '@jest/globals';
import { findProgram } from './find-program.ts';
import { LEFT_OUT } from './left-out.ts';

/** A suite that needs a program. If it is not on PATH, the suite is skipped and reported; with `BACKENDS=required` it fails. */
export function describeWithProgram(
  name: string,
  title: string,
  body: (program: string) => void,
): void {
  const program = findProgram(name);
  if (program !== null) {
    describe(title, () => body(program));
    return;
  }
  describe(title, () => {
    const reason = `${LEFT_OUT}no ${name} on PATH`;
    if (process.env['BACKENDS'] !== 'required') it.skip(reason, () => undefined);
    else {
      it(reason, () => {
        throw new Error(`${name} is required and not on PATH`);
      });
    }
  });
}
