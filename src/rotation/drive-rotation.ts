import type {
  Backends,
  Keys,
  Recording,
  Storage,
  Values,
  Work,
} from '../broker/state/dependencies.ts';
import type { SystemActor } from '../broker/recording/record.ts';
import { BrokerError } from '../domain/errors.ts';
import {
  isOver,
  progressAfter,
  type RotationEvent,
  type RotationProgress,
} from '../domain/rotation/rotation-progress.ts';
import type { PlanFragment, Write } from '../ports/store.ts';
import { canaryChanged, checkCanary } from './canary.ts';
import { isFinal, pauseAfterFailure, pauseWhileWaiting } from './retry.ts';
import { CLAIM_MS, isOverCap, RotationClaim } from './rotation-claim.ts';
import { rotationTargetRef, type RotationTargetRef, traitsOf } from './rotation-target-ref.ts';
import {
  rotationAnnounced,
  rotationUnchanged,
  rotationUpdate,
  nextStepNumber,
  progressOf,
  type RotationRow,
  type ScheduleRow,
  type StepRow,
  UNCLAIMED,
} from './rotation-row.ts';
import { checkSettled } from './settle.ts';
import { endChanges } from './rotation-lifecycle.ts';
import { EFFECTS, type StepResult } from './step-effects.ts';
import { stepEntries, vetoRecord } from './step-record.ts';

/** The reason of a target that is still at work by itself. */
const NOT_YET = 'not_yet';

export type EngineParts = Recording & Backends & Keys & Values & Work;

/** The process that works on rotations, under one owner id. */
export interface Driver {
  readonly parts: EngineParts;
  readonly owner: string;
  readonly actor: SystemActor;
  /** Aborts when the process stops: no further step begins, and the current one is cancelled. */
  readonly signal: AbortSignal;
}

/**
 * Claims one rotation and runs its steps until it waits, fails or ends. Never throws: after a store failure the rotation is due again when the claim
 * expires. @returns `full` if nothing was done because the connection is at its cap.
 */
export async function driveRotation(
  driver: Driver,
  found: RotationRow,
): Promise<'driven' | 'full'> {
  try {
    if (await isOverCap(driver.parts, found)) return 'full';
    const run = await RotationRun.claim(driver, found);
    return (await run?.steps()) ?? 'driven';
  } catch (error) {
    if (isClaimLost(error)) return 'driven';
    const { id, path, connection } = found;
    driver.parts.log.error({ err: error, rotation: id, path, connection }, INTERRUPTED);
    return 'driven';
  }
}

const PARKED = 'the rotation is parked: check its status, then retry or abort it';
const INTERRUPTED = 'rotation interrupted; it resumes when the claim expires';

function isClaimLost(error: unknown): boolean {
  return error instanceof BrokerError && error.reason === 'claim_lost';
}

class RotationRun {
  readonly #driver: Driver;
  #row: RotationRow;
  #seq: number;
  /** True if the start of the current step is recorded and counted as an attempt. */
  #isBegun = false;

  private constructor(driver: Driver, row: RotationRow, seq: number) {
    this.#driver = driver;
    this.#row = row;
    this.#seq = seq;
  }

  /** Claims the rotation under a new epoch; undefined if another process claimed it first. */
  static async claim(driver: Driver, found: RotationRow): Promise<RotationRun | undefined> {
    const { parts, owner } = driver;
    const now = parts.clock.now();
    const { id, next_attempt_at } = found;
    const change = {
      owner,
      epoch: found.epoch + 1,
      claimed_until: now + CLAIM_MS,
      // A claim is a due time: if this process dies, the next one finds the rotation by the same index.
      next_attempt_at: now + CLAIM_MS,
    };
    const seen = rotationUnchanged(found);
    const { status } = await parts.store.commit({
      expect: [seen, { table: 'rotations', key: { id }, match: { next_attempt_at } }],
      writes: [rotationUpdate(id, change)],
    });
    if (status !== 'committed') return undefined;
    return new RotationRun(driver, { ...found, ...change }, await nextStepNumber(parts, id));
  }

  /** Runs steps until one waits, fails or ends the rotation. */
  async steps(): Promise<'driven' | 'full'> {
    const { parts, signal } = this.#driver;
    const isFull = await isOverCap(parts, this.#row);
    while (!isOver(this.#row)) {
      if (isFull || signal.aborted) {
        await this.#release(parts.clock.now());
        return isFull ? 'full' : 'driven';
      }
      if (!(await this.#step())) break;
    }
    return 'driven';
  }

  /** @returns whether the next step may start at once. */
  async #step(): Promise<boolean> {
    const { parts } = this.#driver;
    const { step } = this.#row;
    this.#isBegun = false;
    try {
      const place = rotationTargetRef(parts, this.#row.path, this.#row);
      if (step === 'settle' || step === 'canary') {
        const check = step === 'settle' ? checkSettled : checkCanary;
        await this.#rereadCause();
        const waiting = await check(parts, this.#row);
        if (!waiting.settled && waiting.vetoers !== undefined) {
          await this.#rollBack(place, waiting.vetoers);
          return true;
        }
        if (!waiting.settled) {
          await this.#release(waiting.checkAgainAt);
          return false;
        }
        await this.#completeStep(place, {});
        return true;
      }
      await this.#act(place);
      return true;
    } catch (error) {
      if (isClaimLost(error)) throw error;
      await this.#handleFailedStep(BrokerError.from(error));
      return false;
    }
  }

  /** An operator may have turned it into a rotation for an incident, which waits for no holder. */
  async #rereadCause(): Promise<void> {
    const { id } = this.#row;
    const found = await this.#driver.parts.store.get('rotations', { id });
    if (found !== undefined) this.#row = { ...this.#row, cause: found.cause };
  }

  /**
   * Rolls the new version back, because several holders reported that it does not work. The history names their workloads, so
   * that one workload cannot veto for ever.
   */
  async #rollBack(place: RotationTargetRef, vetoers: readonly string[]): Promise<void> {
    const change = this.#after({ type: 'rollBack' }, place, this.#row);
    const invalidates = this.#row.canary === null ? [] : canaryChanged(this.#row.path);
    const veto = await vetoRecord(this.#driver, this.#row, vetoers, this.#seq + 1);
    const said = { outcome: 'failed', error: 'holders_failed' } as const;
    await this.#commit({ ...veto, change, invalidates }, said);
    this.#seq += vetoers.length;
  }

  /** The step's time counts from before its start is recorded: a process that is paused in between finds the time over. */
  async #act(place: RotationTargetRef): Promise<void> {
    const { parts, signal } = this.#driver;
    const { step } = this.#row;
    const effect = EFFECTS[step];
    if (effect === undefined) throw new BrokerError('ERR_INTERNAL');
    const claim = new RotationClaim(parts.clock, signal);
    try {
      await this.#begin(place);
      const result = await claim.runWithin(() => effect({ parts, row: this.#row, place, claim }));
      await parts.failpoint?.(`rotation.${step}.after_effect`);
      await this.#completeStep(place, result).catch(async (error: unknown) => {
        if (isClaimLost(error)) await makeDueNow(parts, this.#row);
        throw error;
      });
    } finally {
      claim.end();
    }
  }

  /** Recorded before the outside effect: whichever process resumes knows that the effect may have happened. */
  async #begin(place: RotationTargetRef): Promise<void> {
    const { parts } = this.#driver;
    const { step } = this.#row;
    await parts.failpoint?.(`rotation.${step}.before_begun`);
    const next = progressAfter(
      progressOf(this.#row),
      { type: 'begun', step },
      traitsOf(this.#row, place),
    );
    const until = parts.clock.now() + CLAIM_MS;
    const change = { attempts: next.attempts, claimed_until: until, next_attempt_at: until };
    await this.#commit({ change }, { outcome: 'begun', error: null });
    this.#isBegun = true;
    await parts.failpoint?.(`rotation.${step}.after_begun`);
  }

  async #completeStep(place: RotationTargetRef, result: StepResult): Promise<void> {
    const { parts } = this.#driver;
    const { step } = this.#row;
    const after = { ...this.#row, ...result.change };
    const next = this.#after({ type: 'done', step }, place, after);
    const ending = isOver(next) ? await endChanges(parts, after, place.spec) : undefined;
    const change = {
      ...result.change,
      ...next,
      last_error: null,
      ...ending?.change,
    };
    const schedule = { ...result.schedule, ...ending?.schedule };
    await this.#commit({ ...result, change, schedule }, { outcome: 'done', error: null });
    await parts.failpoint?.(`rotation.${step}.after_done`);
  }

  /** Retries the step after a pause; after six attempts, or an error that a retry cannot help, the rotation is parked for an operator. */
  async #handleFailedStep(error: BrokerError): Promise<void> {
    const { parts, signal } = this.#driver;
    const { id, path, step, connection } = this.#row;
    const attempts = this.#row.attempts + (this.#isBegun ? 0 : 1);
    if (signal.aborted) {
      await this.#release(parts.clock.now(), { attempts: attempts - 1 });
      return;
    }
    if (error.reason === NOT_YET) {
      await this.#waitForTarget(error);
      return;
    }
    const progress = { ...progressOf(this.#row), attempts };
    const next = progressAfter(
      progress,
      { type: 'failed', step, isFinal: isFinal(error) },
      traitsOf(this.#row, undefined),
    );
    const isParked = next.state === 'parked';
    const at = parts.clock.now() + pauseAfterFailure(attempts);
    const why = error.reason ?? error.code;
    const known = await parts.store.get('rotation_schedules', { path });
    const fields = { err: error, rotation: id, path, connection, step, attempt: attempts };
    if (isParked) parts.log.error(fields, PARKED);
    else parts.log.warn(fields, 'a rotation step failed; it will be retried');
    await this.#commit(
      {
        change: {
          ...next,
          ...UNCLAIMED,
          last_error:
            error.isDetailShown && error.detail !== undefined ? `${why}: ${error.detail}` : why,
          next_attempt_at: isParked ? null : at,
        },
        schedule: { failures: (known?.failures ?? 0) + 1 },
      },
      { outcome: 'failed', error: why },
    );
    parts.rotationsDue.ring();
  }

  /** The target is still at work and said so. That uses no attempt and raises no alarm. */
  async #waitForTarget({ retryAfterSeconds = 0 }: BrokerError): Promise<void> {
    const { parts } = this.#driver;
    const { id, path, connection, step, created_at: createdAt } = this.#row;
    const now = parts.clock.now();
    const at = now + pauseWhileWaiting(retryAfterSeconds, now - createdAt);
    const next = progressAfter(
      progressOf(this.#row),
      { type: 'waits', step },
      traitsOf(this.#row, undefined),
    );
    parts.log.info(
      { rotation: id, path, connection, step },
      'the target is not done yet; the step is polled again',
    );
    await this.#commit(
      { change: { ...next, ...UNCLAIMED, last_error: NOT_YET, next_attempt_at: at } },
      { outcome: 'waits', error: NOT_YET },
    );
    parts.rotationsDue.ring();
  }

  /** Gives the claim up until `at`. Nothing happened, so nothing is recorded. */
  async #release(at: number | null, more: Partial<RotationRow> = {}): Promise<void> {
    await this.#commit({ change: { ...more, ...UNCLAIMED, next_attempt_at: at } }, undefined);
  }

  /** Commits the row, its history, the schedule, the audit entries and the result of the effect together. @throws ERR_CONFLICT `claim_lost`. */
  async #commit(
    result: StepResult,
    said: Pick<StepRow, 'outcome' | 'error'> | undefined,
  ): Promise<void> {
    const { parts } = this.#driver;
    const { id, path } = this.#row;
    const { schedule = {}, change = {} } = result;
    const next = { ...this.#row, ...change };
    const following = this.#scheduleChange(schedule);
    const record = this.#record(next, said);
    const outcome = await parts.store.commit({
      expect: [rotationUnchanged(this.#row), ...(result.expect ?? []), ...following.expect],
      writes: [
        ...(result.writes ?? []),
        ...(Object.keys(change).length > 0 ? [rotationUpdate(id, change)] : []),
        ...following.writes,
        ...record.history,
      ],
      invalidates: [
        ...(result.invalidates ?? []),
        ...(said === undefined ? [] : [rotationAnnounced(path)]),
      ],
      entries: [...(result.entries ?? []), ...record.entries],
    });
    if (outcome.status !== 'committed') throw conflictAt(outcome);
    if (said !== undefined) this.#seq += 1;
    this.#row = next;
    if (outcome.seq > 0) await parts.state.waitForChange(outcome.seq);
  }

  #scheduleChange(change: Partial<ScheduleRow>): Pick<PlanFragment, 'expect' | 'writes'> {
    if (Object.keys(change).length === 0) return { expect: [], writes: [] };
    const { id, path } = this.#row;
    const row = { table: 'rotation_schedules', key: { path } } as const;
    return { expect: [{ ...row, match: { active_id: id } }], writes: [{ ...row, change }] };
  }

  /** The row of the history and the audit entries of a step; none if nothing happened. */
  #record(next: RotationRow, said: Pick<StepRow, 'outcome' | 'error'> | undefined) {
    if (said === undefined) return { history: [], entries: [] };
    const { id, step } = this.#row;
    const at = this.#driver.parts.clock.now();
    const put = { rotation_id: id, seq: this.#seq, step, actor: 'rotation', at, ...said };
    const history: readonly Write[] = [{ table: 'rotation_steps', put }];
    return { history, entries: stepEntries(this.#driver, this.#row, next, said) };
  }

  #after(
    event: RotationEvent,
    place: RotationTargetRef | undefined,
    row: RotationRow,
  ): RotationProgress {
    return progressAfter(progressOf(this.#row), event, traitsOf(row, place));
  }
}

/** The first expectation is the claim. Any other is a secret that was written at the same time: the step is retried. */
function conflictAt(outcome: { readonly status: string; readonly index?: number }): BrokerError {
  if (outcome.index === 0) {
    return new BrokerError('ERR_CONFLICT', undefined, { reason: 'claim_lost' });
  }
  return new BrokerError('ERR_BUSY', undefined, { reason: 'written_meanwhile' });
}

/**
 * An operator's request takes the claim away from the step in progress, and the next step waits until that claim would have expired. The process that
 * lost the claim knows that its effect is over, so it makes the rotation due at once. If another process claimed it already, nothing changes.
 */
async function makeDueNow(
  parts: Storage & Pick<Work, 'rotationsDue'>,
  row: RotationRow,
): Promise<void> {
  const { id, epoch, claimed_until: until } = row;
  const directed = { epoch: epoch + 1, owner: null, next_attempt_at: until };
  await parts.store.commit({
    expect: [{ table: 'rotations', key: { id }, match: directed }],
    writes: [rotationUpdate(id, { next_attempt_at: parts.clock.now() })],
  });
  parts.rotationsDue.ring();
}
