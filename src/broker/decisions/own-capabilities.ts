import { CAPABILITIES, type Capability } from '../../domain/policy/index.ts';
import { parseSecretPath } from '../../domain/words/names.ts';
import type { Call, Caller } from '../access/call.ts';
import { judge } from '../access/judge.ts';
import { recordOperation } from '../recording/operation.ts';
import type { Access, Recording } from '../state/dependencies.ts';

/**
 * The capabilities that the caller has on each path, by the decision that its requests would get. They depend on the paths alone, so the answer does not
 * reveal what exists. @throws ERR_PATH_INVALID
 */
export async function ownCapabilities(
  parts: Recording & Access,
  call: Call,
  caller: Caller,
  paths: readonly string[],
): Promise<ReadonlyMap<string, readonly Capability[]>> {
  for (const path of paths) parseSecretPath(path);
  const [only] = paths;
  const named = paths.length === 1 ? { path: only } : { query: `paths=${paths.length}` };
  return recordOperation(
    { parts, call, caller },
    { action: 'policy.explain', ...named },
    (now) =>
      new Map(
        paths.map((path) => [
          path,
          CAPABILITIES.filter(
            (capability) => judge(parts, call, now, { capability, path }).allowed,
          ),
        ]),
      ),
  );
}
