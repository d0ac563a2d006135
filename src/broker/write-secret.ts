import { BrokerError } from '../domain/errors.ts';
import { parseSecretPath } from '../domain/names.ts';
import { workloadId } from '../domain/workload.ts';
import type { SecretData } from '../domain/secret.ts';
import type { SecretVersionInfo, SecretWrites, StagedWrite } from '../ports/secret-provider.ts';
import { authorityEnd, type Call, type Caller } from './call.ts';
import { denied, judge } from './judge.ts';
import { recordOperation } from './operation.ts';
import type { Parts } from './parts.ts';
import { commitDecided, entryOf, outcomeOf } from './record.ts';
import { LiveSession } from './state/sessions.ts';
import { targetOf } from './target.ts';

export interface SecretWrite {
  readonly path: string;
  readonly data: SecretData;
  /** The version the caller believes current, or `absent`; undefined replaces whatever is there. */
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
  parts: Parts,
  call: Call,
  caller: Caller,
  write: SecretWrite,
): Promise<{ readonly path: string; readonly version: string }> {
  const size = Buffer.byteLength(JSON.stringify(write.data));
  if (size > parts.limits.maxValueBytes) {
    throw new BrokerError(
      'ERR_BODY_TOO_LARGE',
      `a value may be ${parts.limits.maxValueBytes} bytes at most`,
    );
  }
  const { version } = await stage(
    { parts, call, caller, path: write.path, action: 'secret.write' },
    (writes, locator) => writes.put(locator, write.data, write.ifVersion, authorOf(caller)),
  );
  return { path: write.path, version: version ?? '' };
}

/** Deletes a secret or destroys versions of it, for good. @throws as {@link writeSecret} */
export async function destroySecret(
  parts: Parts,
  call: Call,
  caller: Caller,
  destruction: SecretDestruction,
): Promise<void> {
  const { path, versions, ifVersion } = destruction;
  await stage({ parts, call, caller, path, action: 'secret.destroy' }, (writes, locator) =>
    writes.destroy(locator, versions, ifVersion),
  );
}

/** Versions of a secret, newest first: states and times, never values. @throws ERR_DENIED, ERR_NOT_FOUND, ERR_CONFLICT */
export async function secretVersions(
  parts: Parts,
  call: Call,
  caller: Caller,
  path: string,
): Promise<readonly SecretVersionInfo[]> {
  parseSecretPath(path);
  return recordOperation({ parts, call, caller }, { action: 'secret.list', path }, async () => {
    const verdict = judge(parts, call, caller, { capability: 'list', path });
    if (!verdict.allowed) throw denied(verdict.reason);
    const { writes, locator } = writable(parts, path);
    return writes.versions(locator);
  });
}

interface Staging {
  readonly parts: Parts;
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
  parseSecretPath(path);
  const verdict = judge(parts, call, caller, { capability: 'write', path });
  try {
    return await commitDecided(parts, async (decidedAt) => {
      const now = judge(parts, call, caller, { capability: 'write', path });
      if (!now.allowed) throw denied(now.reason);
      const { writes, locator } = writable(parts, path);
      const staged = await change(writes, locator);
      const { version, fragment } = staged;
      const entry = entryOf(parts, call, caller, {
        action,
        outcome: 'ok',
        path,
        version,
        policy: now.policy,
      });
      const reads = [...caller.fences, `definition:${path}`];
      return {
        plan: { ...fragment, decidedAt, reads, notAfter: authorityEnd(caller), entries: [entry] },
        settle: () => staged,
      };
    });
  } catch (error) {
    const failure = BrokerError.from(error);
    const entry = entryOf(parts, call, caller, {
      action,
      outcome: outcomeOf(failure),
      code: failure.code,
      reason: failure.reason,
      path,
      policy: verdict.policy,
    });
    await parts.store.commit({ entries: [entry] });
    throw failure;
  }
}

function writable(
  parts: Parts,
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
