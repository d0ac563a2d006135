import { describe, it } from '@jest/globals';
import { findProgram } from './find-program.ts';
import { LEFT_OUT } from './left-out.ts';

/** A suite that needs a program. If it is not on PATH, the suite is skipped and reported; with `BACKENDS=required` it fails. */
export function describeWithProgram(
  name: string,
  title: string,
  body: (program: string) => void,
): void {
  describeWithPrograms([name], title, () => body(findProgram(name) ?? name));
}

/** A suite that needs several programs, as `describeWithProgram`. */
export function describeWithPrograms(
  names: readonly string[],
  title: string,
  body: () => void,
): void {
  const missing = names.filter((name) => findProgram(name) === null).join(', ');
  if (missing === '') {
    describe(title, body);
    return;
  }
  describe(title, () => {
    const reason = `${LEFT_OUT}no ${missing} on PATH`;
    if (process.env['BACKENDS'] !== 'required') it.skip(reason, () => undefined);
    else {
      it(reason, () => {
        throw new Error(`required and not on PATH: ${missing}`);
      });
    }
  });
}
