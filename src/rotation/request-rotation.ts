import { hmac } from '../crypto/digest.ts';
import { BrokerError } from '../domain/errors.ts';
import type { Call, Caller } from '../broker/call.ts';
import type { Parts } from '../broker/parts.ts';
import { actOnRotation, type ActedRotation } from './commit-request.ts';
import { rotatingPlace, type RotatingPlace } from './rotation-place.ts';
import { changed, type RotationRow, type ScheduleRow } from './rotation-row.ts';
import { startRotation } from './start-and-end.ts';

export interface RotationOrder {
  readonly path: string;
  readonly kind: RotationRow['kind'];
  /** The credential is known to others: nothing waits for its holders. */
  readonly incident: boolean;
  readonly comment?: string | undefined;
  /** The caller's: a repeat with the same key and order finds the same rotation. */
  readonly idempotencyKey?: string | undefined;
}

/**
 * Rotates now, or drills. @throws ERR_DENIED; ERR_IDEMPOTENCY_MISMATCH for another order under the same key; ERR_CONFLICT where the path does not rotate, cannot be drilled, or has a rotation under way: for an
 * incident that one waits for nobody from then on, and the order is repeated when it is over.
 */
export async function requestRotation(
  parts: Parts,
  call: Call,
  caller: Caller,
  order: RotationOrder,
): Promise<RotationRow> {
  const { path, comment } = order;
  const cause = causeOf(order);
  const described = { action: 'rotation.request', path, comment, cause } as const;
  return actOnRotation({ parts, call, caller }, described, async (requestedBy) => {
    const id = rotationId(parts, requestedBy, order);
    const begun = id === undefined ? undefined : await parts.store.get('rotations', { id });
    if (begun !== undefined) return repeated(begun, order);
    const place = rotatingPlace(parts, path);
    const schedule = await scheduleFor(parts, order, place);
    const { row, ...plan } = startRotation(parts, place, schedule, {
      reason: { ...order, cause, requestedBy, id },
    });
    return { plan, row };
  });
}

/** One key of one caller is one rotation: the id is derived, so that two requests at once cannot both begin one. */
function rotationId(
  parts: Parts,
  requestedBy: string,
  { idempotencyKey }: RotationOrder,
): string | undefined {
  if (idempotencyKey === undefined) return undefined;
  const key = parts.keyring.active.keyFor('idempotencyKey');
  return `rot_${hmac(key, 'rotation\n', requestedBy, '\n', idempotencyKey).toString('hex', 0, 16)}`;
}

/** What was begun as a request has become one for an incident meanwhile where somebody hurried it. */
function repeated(row: RotationRow, order: RotationOrder): ActedRotation {
  const { path, kind, incident, comment = null } = order;
  const isSame = row.path === path && row.kind === kind && row.comment === comment;
  if (!isSame || (incident && row.cause !== 'incident')) {
    throw new BrokerError('ERR_IDEMPOTENCY_MISMATCH');
  }
  return { plan: {}, row, reason: 'repeated' };
}

function causeOf({ incident }: RotationOrder): RotationRow['cause'] {
  return incident ? 'incident' : 'requested';
}

async function scheduleFor(
  parts: Parts,
  { path, kind, incident }: RotationOrder,
  { target }: RotatingPlace,
): Promise<ScheduleRow> {
  if (kind === 'drill' && !target.drillable) {
    throw new BrokerError(
      'ERR_CONFLICT',
      'this credential cannot be drilled: a new one would end the one in use, or the definition does not say that it is `drillable`',
      { reason: 'not_drillable' },
    );
  }
  const schedule = await parts.store.get('rotation_schedules', { path });
  if (schedule === undefined)
    throw new BrokerError('ERR_BUSY', undefined, { retryAfterSeconds: 1 });
  const { active_id: id } = schedule;
  if (id === null) return schedule;
  if (incident) await hurry(parts, id);
  const hurried = incident ? ', and waits for nobody from now on: ask again when it is over' : '';
  throw new BrokerError('ERR_CONFLICT', `the rotation ${id} of this path is under way${hurried}`, {
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
