import { BrokerError } from '../../domain/errors.ts';
import type { PolicyReference } from '../../domain/audit/audit-actions.ts';
import { parseNewPath, parseSecretPath } from '../../domain/words/names.ts';
import { workloadId } from '../../domain/identity/workload.ts';
import type { SecretVersion } from '../../domain/secrets/secret.ts';
import type { SecretWrites, StagedWrite } from '../../ports/secret-provider.ts';
import { authorityEnd, type Call, type Caller } from '../access/call.ts';
import { refusalOf, judge } from '../access/judge.ts';
import { refuseSuspended } from '../access/suspension.ts';
import { recordFailure } from '../recording/operation.ts';
import type { Access, Backends, Recording } from '../state/dependencies.ts';
import { commitAs, entryOf, type Attempt } from '../recording/record.ts';
import { LiveSession } from '../state/session-memory.ts';
import { targetOf } from '../state/target.ts';

export type WritingParts = Recording & Access & Pick<Backends, 'connections'>;

interface Staging {
  readonly parts: WritingParts;
  readonly call: Call;
  readonly caller: Caller;
  readonly path: string;
  readonly action:
    | 'secret.write'
    | 'secret.describe'
    | 'secret.delete'
    | 'secret.undelete'
    | 'secret.destroy';
}

/** The actions that may be the first change of a path. */
const CREATING: readonly Staging['action'][] = ['secret.write', 'secret.describe'];

/** More facts of the audit entry. */
interface Facts {
  readonly endsAt?: number | undefined;
  readonly count?: number;
}

/** Decides on a change of a secret, stages it, and commits it with its audit entry. Changes of one path take turns. */
export async function stage<T extends StagedWrite & { readonly facts?: Facts }>(
  staging: Staging,
  change: (target: Writable & { readonly mayList: () => boolean }) => Promise<T>,
): Promise<T & Pick<Writable, 'rotates'>> {
  type Staged = T & Pick<Writable, 'rotates'>;
  const { parts, call, caller, path, action } = staging;
  if (CREATING.includes(action)) parseNewPath(path);
  else parseSecretPath(path);
  let policy: PolicyReference | undefined;
  const attempt = async (decidedAt: number, now: Caller): Promise<Attempt<Staged>> => {
    const verdict = judge(parts, call, now, { capability: 'write', path });
    ({ policy } = verdict);
    if (!verdict.allowed) throw refusalOf(verdict);
    refuseSuspended(parts, now);
    const mayList = (): boolean => judge(parts, call, now, { capability: 'list', path }).allowed;
    const target = writable(parts, call, path);
    const staged = await change({ ...target, mayList });
    const { version, fragment } = staged;
    const facts = { action, outcome: 'ok', path, version, policy, ...staged.facts } as const;
    return {
      plan: {
        ...fragment,
        decidedAt,
        reads: [...now.fences, `definition:${path}`],
        notAfter: authorityEnd(now),
        entries: [entryOf(parts, call, now, facts)],
      },
      settle: () => ({ ...staged, rotates: target.rotates }),
    };
  };
  const work = (): Promise<Staged> => commitAs(parts, caller, attempt);
  // Otherwise of several writers of one path only one would succeed at a time, and the others would decide again until they give up. No writer waits for a
  // caller that may not write the path.
  const isWriter = judge(parts, call, caller, { capability: 'write', path }).allowed;
  const done = isWriter ? parts.connections.writeTurns.run(path, work) : work();
  return done.catch((error: unknown) =>
    recordFailure({ parts, call, caller }, [{ action, path, policy }], error),
  );
}

export interface Writable {
  readonly writes: SecretWrites;
  readonly locator: string;
  readonly rotates: boolean;
  /** @throws ERR_NOT_FOUND if there is no current version */
  readonly current: () => Promise<SecretVersion>;
}

/** @throws ERR_CONFLICT if the mount is read-only */
export function writable(
  parts: Pick<Backends, 'catalog' | 'connections'>,
  call: Call,
  path: string,
): Writable {
  const { mount, definition } = targetOf(parts, path);
  const provider = parts.connections.provider(mount);
  const { writes } = provider;
  if (writes === undefined) {
    throw new BrokerError(
      'ERR_CONFLICT',
      'the mount is read-only: change the secret at its backend',
    );
  }
  const locator = parts.connections.locate(mount, path, definition?.spec.ref);
  const rotates = definition?.spec.rotation !== undefined;
  return {
    writes,
    locator,
    rotates,
    current: () => provider.read(locator, undefined, call.context()),
  };
}

/** The name of a caller as the author of what it writes. */
export function authorOf(caller: Caller): string {
  return caller instanceof LiveSession ? workloadId(caller.session.workload) : caller.operator.name;
}

export function absentIfMissing(error: unknown): undefined {
  if (error instanceof BrokerError && error.code === 'ERR_NOT_FOUND') return undefined;
  throw error;
}
