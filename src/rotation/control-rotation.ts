import type { Call, Caller } from '../broker/call.ts';
import type { Parts } from '../broker/parts.ts';
import { BrokerError } from '../domain/errors.ts';
import {
  isOver,
  progressAfter,
  type RotationProgress,
} from '../domain/rotation/rotation-progress.ts';
import type { RotationSpec } from '../domain/rotation/rotation-spec.ts';
import type { PlanFragment } from '../ports/store.ts';
import { canaryChanged } from './canary.ts';
import { type ActedRotation, actOnRotation } from './commit-request.ts';
import { probeTarget, rotatingPlace, type TargetState, traitsOf } from './rotation-place.ts';
import {
  activeRotation,
  asItWas,
  changed,
  nextStepNumber,
  progressOf,
  type RotationRow,
  UNCLAIMED,
} from './rotation-row.ts';
import { endChanges } from './start-and-end.ts';

/** What somebody asks of a rotation that is under way. */
export interface RotationDirection {
  readonly path: string;
  /**
   * `retry`: a parked step is tried again; `abort`: what was made is taken back; `rollBack`: the old version becomes current again; `retire`: the
   * old version ends now.
   */
  readonly verb: 'retry' | 'abort' | 'rollBack' | 'retire';
  readonly comment?: string | undefined;
}

/** What the log calls each. */
export const ACTIONS = {
  retry: 'rotation.retry',
  abort: 'rotation.abort',
  rollBack: 'rotation.abort',
  retire: 'rotation.retire',
} as const;

/** The rotation as it is from now on; `probe`: of one that was parked, what its target had right before. */
export interface DirectedRotation {
  readonly row: RotationRow;
  readonly probe: TargetState | undefined;
}

/** @throws ERR_DENIED; ERR_CONFLICT where nothing is under way, or the state does not allow it: the detail says what it does allow. */
export async function directRotation(
  parts: Parts,
  call: Call,
  caller: Caller,
  direction: RotationDirection,
): Promise<DirectedRotation> {
  const { path, verb, comment } = direction;
  const described = { action: ACTIONS[verb], path, comment, cause: verb } as const;
  let probe: TargetState | undefined;
  const row = await actOnRotation({ parts, call, caller }, described, async (actor) => {
    const found = await underWay(parts, path);
    if (verb === 'abort' && (await isUntouched(parts, found))) {
      const spec = parts.catalog.find('definition', path)?.spec.rotation;
      return changes(parts, { row: found, spec, next: NOTHING_DONE, actor, verb });
    }
    const place = rotatingPlace(parts, path, found);
    const next = progressAfter(progressOf(found), { type: verb }, traitsOf(found, place));
    if (found.state === 'parked') probe = await probeTarget(parts, found, call.context());
    return changes(parts, { row: found, spec: place.spec, next, actor, verb });
  });
  return { row, probe };
}

/** @throws ERR_CONFLICT */
async function underWay({ store }: Parts, path: string): Promise<RotationRow> {
  const row = await activeRotation(store, path);
  if (row !== undefined) return row;
  throw new BrokerError('ERR_CONFLICT', 'no rotation of this path is under way', {
    reason: 'none_under_way',
  });
}

const NOTHING_DONE: RotationProgress = { state: 'aborted', step: 'end', attempts: 0 };

/** Parked before any step began, as without its connection: there is nothing to take back, and so nobody to ask. */
async function isUntouched({ store }: Parts, { id, state }: RotationRow): Promise<boolean> {
  if (state !== 'parked') return false;
  const equals = { rotation_id: id, outcome: 'begun' } as const;
  return (await store.list('rotation_steps', { equals, limit: 1 })).length === 0;
}

interface Directed {
  readonly row: RotationRow;
  readonly spec: RotationSpec | undefined;
  readonly next: RotationProgress;
  readonly actor: string;
  readonly verb: RotationDirection['verb'];
}

/** Whoever carries the rotation on loses it by the new epoch; what it has sent by then has arrived before anybody goes on. */
async function changes(
  parts: Parts,
  { row, spec, next, actor, verb }: Directed,
): Promise<ActedRotation> {
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
    expect: [asItWas(row)],
    writes: [
      changed(id, change),
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
    narrows: row.step === 'canary' && row.canary !== null ? canaryChanged(path) : [],
  };
  return { plan, row: { ...row, ...change } };
}
