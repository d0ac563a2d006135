import type { Recording, Access, Backends, Work } from '../broker/state/dependencies.ts';
import { parseSecretPath } from '../domain/words/names.ts';
import { workloadId } from '../domain/identity/workload.ts';
import type { PlanFragment } from '../ports/store.ts';
import { authorityEnd, type Call, type Caller } from '../broker/access/call.ts';
import { refusalOf, judge } from '../broker/access/judge.ts';
import { refuseSuspended } from '../broker/access/suspension.ts';
import { recordFailure } from '../broker/recording/operation.ts';

import { commitAs, entryOf, type Attempt } from '../broker/recording/record.ts';
import { LiveSession } from '../broker/state/session-memory.ts';
import { locatorAt } from '../broker/state/target.ts';
import type { RotationRow } from './rotation-row.ts';

/** The request as the audit log records it. */
interface RecordedRequest {
  readonly action: 'rotation.request' | 'rotation.retry' | 'rotation.abort' | 'rotation.retire';
  readonly path: string;
  readonly comment: string | undefined;
  readonly cause: string;
}

/** The changes of the request, and the rotation after it. */
export interface RequestedChange {
  readonly plan: Partial<PlanFragment>;
  readonly row: RotationRow;
  /** Reason for the audit entry. */
  readonly reason?: string;
}

/** The parts of a request about a rotation. */
export type RequestParts = Recording &
  Access &
  Pick<Backends, 'connections'> &
  Pick<Work, 'rotationsDue'>;

/**
 * Authorizes the request on its path, lets `act` plan the change, commits it with its audit entry, and wakes the worker.
 * @throws ERR_DENIED, and the errors of `act`.
 */
export async function commitRequest(
  asked: { readonly parts: RequestParts; readonly call: Call; readonly caller: Caller },
  described: RecordedRequest,
  act: (actor: string) => Promise<RequestedChange>,
): Promise<RotationRow> {
  const { parts, call, caller } = asked;
  const { path } = described;
  parseSecretPath(path);
  return commitAs(parts, caller, async (decidedAt, now): Promise<Attempt<RotationRow>> => {
    const verdict = judge(parts, call, now, { capability: 'rotate', path });
    if (!verdict.allowed) throw refusalOf(verdict);
    refuseSuspended(parts, now);
    const { plan, row, reason } = await act(nameOf(now));
    const { policy } = verdict;
    const locator = locatorAt(parts, path);
    const facts = {
      ...described,
      outcome: 'ok',
      reason,
      locator,
      rotation: row.id,
      policy,
    } as const;
    return {
      plan: {
        ...plan,
        decidedAt,
        reads: [...now.fences, `definition:${path}`],
        notAfter: authorityEnd(now),
        entries: [entryOf(parts, call, now, facts)],
      },
      settle: () => {
        parts.rotationsDue.ring();
        return row;
      },
    };
  }).catch((error: unknown) => recordFailure(asked, [described], error));
}

function nameOf(caller: Caller): string {
  return caller instanceof LiveSession ? workloadId(caller.session.workload) : caller.operator.name;
}
