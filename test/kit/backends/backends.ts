import { describe, it } from '@jest/globals';
import type { Backends } from './fleet.ts';
import { LEFT_OUT } from './left-out.ts';
import type { BackendName } from './recipe.ts';

/** The backends of this test run. A missing one is not installed or was not requested. */
function readBackends(): Partial<Backends> {
  return JSON.parse(process.env['QM_BACKENDS'] ?? '{}') as Partial<Backends>;
}

/**
 * A suite that needs real servers, in a file named `*.real.test.ts`. If a server is missing, the suite is skipped and reported; with
 * `BACKENDS=required` it fails.
 */
export function describeWith<Name extends BackendName>(
  names: readonly Name[],
  title: string,
  body: (backends: Pick<Backends, Name>) => void,
): void {
  const backends = readBackends();
  const missing = names.filter((name) => backends[name] === undefined);
  if (missing.length === 0) {
    describe(title, () => body(backends as Pick<Backends, Name>));
    return;
  }
  const mode = process.env['BACKENDS'] ?? 'auto';
  const reason = `${LEFT_OUT}${missing.join(', ')} ${mode === 'none' ? 'not used (BACKENDS=none)' : 'not running'}`;
  describe(title, () => {
    if (mode === 'required') {
      it(reason, () => {
        throw new Error(`${missing.join(', ')} is required and not running`);
      });
    } else it.skip(reason, () => undefined);
  });
}
