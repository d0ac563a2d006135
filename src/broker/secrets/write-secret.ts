import { BrokerError } from '../../domain/errors.ts';
import type { PolicyReference } from '../../domain/audit-actions.ts';
import { parseNewPath, parseSecretPath } from '../../domain/names.ts';
import { workloadId } from '../../domain/workload.ts';
import type { SecretData } from '../../domain/secret.ts';
import type { SecretVersionInfo, SecretWrites, StagedWrite } from '../../ports/secret-provider.ts';
import { authorityEnd, type Call, type Caller } from '../call.ts';
import { denied, judge } from './judge.ts';
import { recordFailure, recordOperation } from '../recording/operation.ts';
import type { Access, Backends, Bounds, Recording } from '../parts.ts';
import { commitAs, entryOf } from '../recording/record.ts';
import { LiveSession } from '../sessions/session-memory.ts';
import { targetOf } from './target.ts';

export interface SecretWrite {
  readonly path: string;
  readonly data: SecretData;
  /** The version that the caller expects to be current, or `absent`; undefined replaces any version. */
  readonly ifVersion?: string | undefined;
}

export interface SecretDestruction {
  readonly path: string;
  /** These versions; undefined: the whole secret. */
  readonly versions?: readonly string[] | undefined;
  readonly ifVersion?: string | undefined;
}

/**
 * Writes a new version. @throws ERR_DENIED, ERR_NOT_FOUND, ERR_CONFLICT (the mount is read-only), ERR_VERSION_CONFLICT,
 * ERR_BODY_TOO_LARGE.
 */
export async function writeSecret(
  parts: Recording & Access & Pick<Backends, 'connections'> & Pick<Bounds, 'limits'>,
  call: Call,
  caller: Caller,
  write: SecretWrite,
): Promise<{ readonly path: string; readonly version: string }> {
  const { path, data, ifVersion } = write;
  const { version } = await stage(
    { parts, call, caller, path, action: 'secret.write' },
    (writes, locator) => {
      refuseTooLarge(parts, data);
      return writes.put(locator, data, ifVersion, authorOf(caller));
    },
  );
  return { path, version: version ?? '' };
}

function refuseTooLarge({ limits }: Pick<Bounds, 'limits'>, data: SecretData): void {
  const size = Buffer.byteLength(JSON.stringify(data));
  if (size <= limits.maxValueBytes) return;
  throw new BrokerError(
    'ERR_BODY_TOO_LARGE',
    `a value may be ${limits.maxValueBytes} bytes at most`,
  );
}

/** Deletes a secret, or destroys versions of it permanently. @throws as {@link writeSecret} */
export async function destroySecret(
  parts: Recording & Access & Pick<Backends, 'connections'>,
  call: Call,
  caller: Caller,
  destruction: SecretDestruction,
): Promise<void> {
  const { path, versions, ifVersion } = destruction;
  await stage({ parts, call, caller, path, action: 'secret.destroy' }, (writes, locator) =>
    writes.destroy(locator, versions, ifVersion),
  );
}

/** Versions of a secret, newest first: states and times, but no values. @throws ERR_DENIED, ERR_NOT_FOUND, ERR_CONFLICT */
export async function secretVersions(
  parts: Recording & Access & Pick<Backends, 'connections'>,
  call: Call,
  caller: Caller,
  path: string,
): Promise<readonly SecretVersionInfo[]> {
  parseSecretPath(path);
  return recordOperation({ parts, call, caller }, { action: 'secret.list', path }, async (now) => {
    const verdict = judge(parts, call, now, { capability: 'list', path });
    if (!verdict.allowed) throw denied(verdict.reason);
    const { writes, locator } = writable(parts, path);
    return writes.versions(locator);
  });
}

interface Staging {
  readonly parts: Recording & Access & Pick<Backends, 'connections'>;
  readonly call: Call;
  readonly caller: Caller;
  readonly path: string;
  readonly action: 'secret.write' | 'secret.destroy';
}

async function stage(
  staging: Staging,
  change: (writes: SecretWrites, locator: string) => Promise<StagedWrite>,
): Promise<StagedWrite> {
  const { parts, call, caller, path, action } = staging;
  if (action === 'secret.write') parseNewPath(path);
  else parseSecretPath(path);
  let policy: PolicyReference | undefined;
  return commitAs(parts, caller, async (decidedAt, now) => {
    const verdict = judge(parts, call, now, { capability: 'write', path });
    ({ policy } = verdict);
    if (!verdict.allowed) throw denied(verdict.reason);
    const { writes, locator } = writable(parts, path);
    const staged = await change(writes, locator);
    const { version, fragment } = staged;
    const facts = { action, outcome: 'ok', path, version, policy } as const;
    return {
      plan: {
        ...fragment,
        decidedAt,
        reads: [...now.fences, `definition:${path}`],
        notAfter: authorityEnd(now),
        entries: [entryOf(parts, call, now, facts)],
      },
      settle: () => staged,
    };
  }).catch((error: unknown) =>
    recordFailure({ parts, call, caller }, [{ action, path, policy }], error),
  );
}

function writable(
  parts: Pick<Backends, 'catalog' | 'connections'>,
  path: string,
): { readonly writes: SecretWrites; readonly locator: string } {
  const { mount, definition } = targetOf(parts, path);
  const { writes } = parts.connections.provider(mount);
  if (writes === undefined) {
    throw new BrokerError(
      'ERR_CONFLICT',
      'the mount is read-only: change the secret at its backend',
    );
  }
  return { writes, locator: parts.connections.locate(mount, path, definition?.spec.ref) };
}

function authorOf(caller: Caller): string {
  return caller instanceof LiveSession ? workloadId(caller.session.workload) : caller.operator.name;
}
