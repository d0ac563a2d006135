import { BrokerError } from '../../domain/errors.ts';
import { parseSecretPath } from '../../domain/names.ts';
import { workloadId } from '../../domain/workload.ts';
import { authorityEnd, type Call, type Caller } from '../call.ts';
import { denied, judge } from '../judge.ts';
import { recordFailure } from '../operation.ts';
import type { Parts } from '../parts.ts';
import { commitAs, entryOf, type Attempt } from '../record.ts';
import { LiveSession } from '../state/sessions.ts';
import { rotatingPlace, type RotatingPlace } from './rotation-place.ts';
import { changed, type RotationRow, type ScheduleRow } from './rotation-row.ts';
import { startRotation } from './start-rotation.ts';

export interface RotationOrder {
  readonly path: string;
  readonly kind: RotationRow['kind'];
  /** The credential is known to others: nothing waits for its holders. */
  readonly incident: boolean;
  readonly comment?: string | undefined;
}

/**
 * Rotates now, or drills. @throws ERR_DENIED; ERR_CONFLICT where the path does not rotate, cannot be drilled, or has a rotation under way: for an
 * incident that one waits for nobody from then on, and the order is repeated when it is over.
 */
export async function requestRotation(
  parts: Parts,
  call: Call,
  caller: Caller,
  order: RotationOrder,
): Promise<RotationRow> {
  const { path, comment } = order;
  parseSecretPath(path);
  const described = { action: 'rotation.request', path, comment, cause: causeOf(order) } as const;
  const acting = { parts, call, caller };
  return commitAs(parts, caller, async (decidedAt, now): Promise<Attempt<RotationRow>> => {
    const verdict = judge(parts, call, now, { capability: 'rotate', path });
    if (!verdict.allowed) throw denied(verdict.reason);
    const place = rotatingPlace(parts, path);
    const schedule = await scheduleFor(parts, order, place);
    const reason = { ...order, cause: causeOf(order), requestedBy: nameOf(now) };
    const { row, ...started } = startRotation(parts, place, schedule, { reason });
    const { policy } = verdict;
    const facts = { ...described, outcome: 'ok', rotation: row.id, policy } as const;
    return {
      plan: {
        ...started,
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
  }).catch((error: unknown) => recordFailure(acting, [described], error));
}

function causeOf({ incident }: RotationOrder): RotationRow['cause'] {
  return incident ? 'incident' : 'requested';
}

export function nameOf(caller: Caller): string {
  return caller instanceof LiveSession ? workloadId(caller.session.workload) : caller.operator.name;
}

async function scheduleFor(
  parts: Parts,
  { path, kind, incident }: RotationOrder,
  { target }: RotatingPlace,
): Promise<ScheduleRow> {
  if (kind === 'drill' && !target.drillable) {
    throw new BrokerError(
      'ERR_CONFLICT',
      'this credential cannot be drilled: there is no second place beside the one in use',
      { reason: 'not_drillable' },
    );
  }
  const schedule = await parts.store.get('rotation_schedules', { path });
  if (schedule === undefined)
    throw new BrokerError('ERR_BUSY', undefined, { retryAfterSeconds: 1 });
  const { active_id: id } = schedule;
  if (id === null) return schedule;
  if (incident) await hurry(parts, id);
  throw new BrokerError('ERR_CONFLICT', `the rotation ${id} of this path is under way`, {
    reason: 'under_way',
    ...(incident && { retryAfterSeconds: 1 }),
  });
}

/** From now on it waits for nobody. What is carried on at this moment reads so when it comes to wait. */
async function hurry({ store, clock, rotationsDue }: Parts, id: string): Promise<void> {
  const row = await store.get('rotations', { id });
  if (row === undefined || row.kind === 'drill') return;
  const isWaiting = row.owner === null && row.state === 'running';
  const { epoch, step, state } = row;
  await store.commit({
    expect: [{ table: 'rotations', key: { id }, match: { epoch, step, state } }],
    writes: [
      changed(id, { cause: 'incident', ...(isWaiting && { next_attempt_at: clock.now() }) }),
    ],
  });
  rotationsDue.ring();
}
