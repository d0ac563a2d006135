import { hmac } from '../crypto/hashes/digest.ts';
import { BrokerError } from '../domain/errors.ts';
import type { Call, Caller } from '../broker/access/call.ts';
import type {
  Access,
  Backends,
  Keys,
  Recording,
  Storage,
  Work,
} from '../broker/state/dependencies.ts';
import { commitRequest, type RequestedChange } from './commit-request.ts';
import { rotationTargetRef, type RotationTargetRef } from './rotation-target-ref.ts';
import { rotationUpdate, type RotationRow, type ScheduleRow } from './rotation-row.ts';
import { startRotation } from './rotation-lifecycle.ts';

export interface RotationRequest {
  readonly path: string;
  readonly kind: RotationRow['kind'];
  /** The credential leaked: the rotation does not wait for its holders. */
  readonly incident: boolean;
  readonly comment?: string | undefined;
  /** Key from the caller: a repeat of the same request with the same key returns the same rotation. */
  readonly idempotencyKey?: string | undefined;
}

/**
 * Starts a rotation or a drill now.
 * @throws ERR_DENIED; ERR_IDEMPOTENCY_MISMATCH for another request under the same key; ERR_CONFLICT if the path does not rotate, cannot be drilled, or
 * has a rotation in progress. In an incident the one in progress stops waiting for holders, and the caller repeats the request when it is over.
 */
export async function requestRotation(
  parts: Recording & Access & Backends & Pick<Keys, 'keyring'> & Pick<Work, 'rotationsDue'>,
  call: Call,
  caller: Caller,
  request: RotationRequest,
): Promise<RotationRow> {
  const { path, comment } = request;
  const cause = causeOf(request);
  const described = { action: 'rotation.request', path, comment, cause } as const;
  return commitRequest({ parts, call, caller }, described, async (requestedBy) => {
    const id = rotationId(parts, requestedBy, request);
    const begun = id === undefined ? undefined : await parts.store.get('rotations', { id });
    if (begun !== undefined) return repeated(begun, request);
    const place = rotationTargetRef(parts, path);
    const schedule = await scheduleFor(parts, request, place);
    const { row, ...plan } = startRotation(parts, place, schedule, {
      reason: { ...request, cause, requestedBy, id },
    });
    return { plan, row };
  });
}

/** The id derives from the caller and the key, so that two requests at once cannot start two rotations. */
function rotationId(
  parts: Pick<Keys, 'keyring'>,
  requestedBy: string,
  { idempotencyKey }: RotationRequest,
): string | undefined {
  if (idempotencyKey === undefined) return undefined;
  const key = parts.keyring.lookup.keyFor('idempotencyKey');
  return `rot_${hmac(key, 'rotation\n', requestedBy, '\n', idempotencyKey).toString('hex', 0, 16)}`;
}

/** A requested rotation may have become one for an incident in the meantime. */
function repeated(row: RotationRow, request: RotationRequest): RequestedChange {
  const { path, kind, incident, comment = null } = request;
  const isSame = row.path === path && row.kind === kind && row.comment === comment;
  if (!isSame || (incident && row.cause !== 'incident')) {
    throw new BrokerError('ERR_IDEMPOTENCY_MISMATCH');
  }
  return { plan: {}, row, reason: 'repeated' };
}

function causeOf({ incident }: RotationRequest): RotationRow['cause'] {
  return incident ? 'incident' : 'requested';
}

async function scheduleFor(
  parts: Storage & Pick<Work, 'rotationsDue'>,
  { path, kind, incident }: RotationRequest,
  { target }: RotationTargetRef,
): Promise<ScheduleRow> {
  if (kind === 'drill' && !target.drillable) {
    throw new BrokerError(
      'ERR_CONFLICT',
      'this credential cannot be drilled: a new one would end the one in use, or the definition does not set `drillable`',
      { reason: 'not_drillable' },
    );
  }
  const schedule = await parts.store.get('rotation_schedules', { path });
  if (schedule === undefined)
    throw new BrokerError('ERR_BUSY', undefined, { retryAfterSeconds: 1 });
  const { active_id: id } = schedule;
  if (id === null) return schedule;
  if (incident) await expedite(parts, id);
  const next = incident
    ? '; from now on it does not wait for holders. Repeat this request when it is over'
    : '';
  throw new BrokerError('ERR_CONFLICT', `the rotation ${id} of this path is in progress${next}`, {
    reason: 'under_way',
    ...(incident && { retryAfterSeconds: 1 }),
  });
}

/** Stops a rotation from waiting for holders. A process that works on it reads the new cause before it waits. */
export async function expedite(
  { store, clock, rotationsDue }: Storage & Pick<Work, 'rotationsDue'>,
  id: string,
): Promise<void> {
  const row = await store.get('rotations', { id });
  if (row === undefined || row.kind === 'drill') return;
  const isWaiting = row.owner === null && row.state === 'running';
  const { epoch, step, state } = row;
  await store.commit({
    expect: [{ table: 'rotations', key: { id }, match: { epoch, step, state } }],
    writes: [
      rotationUpdate(id, { cause: 'incident', ...(isWaiting && { next_attempt_at: clock.now() }) }),
    ],
  });
  rotationsDue.ring();
}
