import type { Call, Caller } from '../broker/access/call.ts';
import type {
  Access,
  Backends,
  Keys,
  Recording,
  Storage,
  Work,
} from '../broker/state/dependencies.ts';
import { BrokerError } from '../domain/errors.ts';
import {
  isOver,
  progressAfter,
  type RotationProgress,
} from '../domain/rotation/rotation-progress.ts';
import type { RotationSpec } from '../domain/rotation/rotation-spec.ts';
import type { PlanFragment } from '../ports/store.ts';
import { ROTATION_STEPS } from '../ports/queries.ts';
import { canaryChanged } from './canary.ts';
import { type RequestedChange, commitRequest } from './commit-request.ts';
import {
  probeTarget,
  rotationTargetRef,
  type TargetState,
  traitsOf,
} from './rotation-target-ref.ts';
import {
  activeRotation,
  rotationAnnounced,
  rotationUnchanged,
  rotationUpdate,
  nextStepNumber,
  progressOf,
  type RotationRow,
  UNCLAIMED,
} from './rotation-row.ts';
import { endChanges } from './rotation-lifecycle.ts';

/** An operator's request to a rotation in progress. */
export interface RotationControl {
  readonly path: string;
  /**
   * `retry`: retry the parked step; `abort`: discard the new credential; `rollBack`: make the old version current again; `retire`: end the old version
   * now.
   */
  readonly verb: 'retry' | 'abort' | 'rollBack' | 'retire';
  readonly comment?: string | undefined;
}

/** The audit action of each. */
export const ACTIONS = {
  retry: 'rotation.retry',
  abort: 'rotation.abort',
  rollBack: 'rotation.abort',
  retire: 'rotation.retire',
} as const;

/** The rotation after the request; `probe`: for a parked one, which credentials its target accepted right before. */
export interface ControlledRotation {
  readonly row: RotationRow;
  readonly probe: TargetState | undefined;
}

/**
 * @throws ERR_DENIED; ERR_CONFLICT if no rotation is in progress, or its state does not allow the request: the detail names the allowed
 * requests.
 */
export async function controlRotation(
  parts: Recording & Access & Backends & Keys & Pick<Work, 'rotationsDue'>,
  call: Call,
  caller: Caller,
  direction: RotationControl,
): Promise<ControlledRotation> {
  const { path, verb, comment } = direction;
  const described = { action: ACTIONS[verb], path, comment, cause: verb } as const;
  let probe: TargetState | undefined;
  const row = await commitRequest({ parts, call, caller }, described, async (actor) => {
    const found = await rotationInProgress(parts, path);
    if (verb === 'abort' && (await isUntouched(parts, found))) {
      const spec = parts.catalog.find('definition', path)?.spec.rotation;
      return changes(parts, { row: found, spec, next: NOTHING_DONE, actor, verb });
    }
    const place = rotationTargetRef(parts, path, found);
    const next = progressAfter(progressOf(found), { type: verb }, traitsOf(found, place));
    if (found.state === 'parked') probe = await probeTarget(parts, found, call.context());
    return changes(parts, { row: found, spec: place.spec, next, actor, verb });
  });
  return { row, probe };
}

/** @throws ERR_CONFLICT */
async function rotationInProgress(
  { store }: Pick<Storage, 'store'>,
  path: string,
): Promise<RotationRow> {
  const row = await activeRotation(store, path);
  if (row !== undefined) return row;
  throw new BrokerError('ERR_CONFLICT', 'no rotation of this path is in progress', {
    reason: 'none_under_way',
  });
}

const NOTHING_DONE: RotationProgress = { state: 'aborted', step: 'end', attempts: 0 };

/**
 * Reports whether the rotation was parked before any step began, for example because its connection is missing: there is nothing to
 * discard, so the target is not needed.
 */
async function isUntouched(
  { store }: Pick<Storage, 'store'>,
  { id, state }: RotationRow,
): Promise<boolean> {
  if (state !== 'parked') return false;
  return (await store.list(ROTATION_STEPS.begun(id), { limit: 1 })).length === 0;
}

interface Request {
  readonly row: RotationRow;
  readonly spec: RotationSpec | undefined;
  readonly next: RotationProgress;
  readonly actor: string;
  readonly verb: RotationControl['verb'];
}

/**
 * Builds the changes. The new epoch takes the claim from the process that has it. The next step waits until that claim would have
 * expired, so that late requests have arrived.
 */
async function changes(
  parts: Storage,
  { row, spec, next, actor, verb }: Request,
): Promise<RequestedChange> {
  const now = parts.clock.now();
  const ending = isOver(next) ? await endChanges(parts, row, spec) : undefined;
  const change: Partial<RotationRow> = {
    ...next,
    ...UNCLAIMED,
    epoch: row.epoch + 1,
    next_attempt_at: Math.max(now, row.claimed_until ?? now),
    ...ending?.change,
  };
  const { id, path } = row;
  const seq = await nextStepNumber(parts, id);
  const said = {
    rotation_id: id,
    seq,
    step: row.step,
    outcome: 'asked',
    actor,
    error: verb,
  } as const;
  const plan: PlanFragment = {
    expect: [rotationUnchanged(row)],
    writes: [
      rotationUpdate(id, change),
      { table: 'rotation_steps', put: { ...said, at: now } },
      ...(ending === undefined
        ? []
        : [
            {
              table: 'rotation_schedules' as const,
              key: { path },
              change: { ...ending.schedule },
            },
          ]),
    ],
    invalidates: [
      rotationAnnounced(path),
      ...(row.step === 'canary' && row.canary !== null ? canaryChanged(path) : []),
    ],
  };
  return { plan, row: { ...row, ...change } };
}
