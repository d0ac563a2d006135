import { BrokerError } from '../../domain/errors.ts';
import { parseSecretPath } from '../../domain/names.ts';
import {
  isOver,
  progressAfter,
  type RotationProgress,
} from '../../domain/rotation/rotation-progress.ts';
import type { Plan } from '../../ports/store.ts';
import { authorityEnd, type Call, type Caller } from '../call.ts';
import { denied, judge } from '../judge.ts';
import { recordFailure } from '../operation.ts';
import type { Parts } from '../parts.ts';
import { commitAs, entryOf, type Attempt } from '../record.ts';
import { canaryChanged } from './canary.ts';
import { endChanges } from './end-rotation.ts';
import { nameOf } from './request-rotation.ts';
import { rotatingPlace, traitsOf, type RotatingPlace } from './rotation-place.ts';
import {
  asItWas,
  changed,
  nextStepNumber,
  progressOf,
  UNCLAIMED,
  type RotationRow,
} from './rotation-row.ts';

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

const ACTIONS = {
  retry: 'rotation.retry',
  abort: 'rotation.abort',
  rollBack: 'rotation.abort',
  retire: 'rotation.retire',
} as const;

/** @throws ERR_DENIED; ERR_CONFLICT where nothing is under way, or the state does not allow it: the detail says what it does allow. */
export async function directRotation(
  parts: Parts,
  call: Call,
  caller: Caller,
  direction: RotationDirection,
): Promise<RotationRow> {
  const { path, verb, comment } = direction;
  parseSecretPath(path);
  const described = { action: ACTIONS[verb], path, comment, cause: verb } as const;
  const acting = { parts, call, caller };
  return commitAs(parts, caller, async (decidedAt, now): Promise<Attempt<RotationRow>> => {
    const verdict = judge(parts, call, now, { capability: 'rotate', path });
    if (!verdict.allowed) throw denied(verdict.reason);
    const row = await activeRotation(parts, path);
    const place = rotatingPlace(parts, path, row);
    const next = progressAfter(progressOf(row), { type: verb }, traitsOf(row, place));
    const { plan, after } = await changes(parts, { row, place, next, actor: nameOf(now), verb });
    const { policy } = verdict;
    const facts = { ...described, outcome: 'ok', rotation: row.id, policy } as const;
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
        return after;
      },
    };
  }).catch((error: unknown) => recordFailure(acting, [described], error));
}

/** @throws ERR_CONFLICT */
async function activeRotation({ store }: Parts, path: string): Promise<RotationRow> {
  const id = (await store.get('rotation_schedules', { path }))?.active_id ?? undefined;
  const row = id === undefined ? undefined : await store.get('rotations', { id });
  if (row !== undefined) return row;
  throw new BrokerError('ERR_CONFLICT', 'no rotation of this path is under way', {
    reason: 'none_under_way',
  });
}

interface Directed {
  readonly row: RotationRow;
  readonly place: RotatingPlace;
  readonly next: RotationProgress;
  readonly actor: string;
  readonly verb: RotationDirection['verb'];
}

/** Whoever carries the rotation on loses it by the new epoch; what it has sent by then has arrived before anybody goes on. */
async function changes(
  parts: Parts,
  { row, place, next, actor, verb }: Directed,
): Promise<{ readonly plan: Plan; readonly after: RotationRow }> {
  const now = parts.clock.now();
  const ending = isOver(next) ? await endChanges(parts, row, place.spec) : undefined;
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
  const plan: Plan = {
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
  return { plan, after: { ...row, ...change } };
}
