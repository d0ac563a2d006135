import { BrokerError } from '../errors.ts';
import type { RotationState, RotationStep } from './rotation-words.ts';

/**
 * Progress of a rotation. `attempts` counts how often the current step was started since the previous step was done; all attempts before a wait or a
 * parking count as one.
 */
export interface RotationProgress {
  readonly state: RotationState;
  readonly step: RotationStep;
  readonly attempts: number;
}

/** Facts of a rotation that select the next step. */
export interface RotationTraits {
  readonly kind: 'rotation' | 'drill';
  /** Number of credentials that can work at the same time; with `two`, the old credential keeps working beside the new one. */
  readonly slots: 'one' | 'two';
  /** Some of the holders get the new version first. */
  readonly canary: boolean;
  /** A value was current before, so that a rollback is possible. */
  readonly hasPrevious: boolean;
  /** The new version was made current. */
  readonly wasPromoted: boolean;
  /** A new value exists, which may work at the target. */
  readonly hasPending: boolean;
}

/**
 * Events of a rotation. `done`, `failed` and `waits` name the step they are about: a result that arrives late, from before a restart or from another
 * owner, is refused and not attributed to the current step.
 */
export type RotationEvent =
  | { readonly type: 'begun'; readonly step: RotationStep }
  | { readonly type: 'done'; readonly step: RotationStep }
  | { readonly type: 'failed'; readonly step: RotationStep; readonly isFinal: boolean }
  | { readonly type: 'waits'; readonly step: RotationStep }
  | { readonly type: 'retry' }
  | { readonly type: 'abort' }
  | { readonly type: 'rollBack' }
  | { readonly type: 'retire' };

/** Attempts of one step before it is parked until an operator acts. */
export const MOST_ATTEMPTS = 6;

const AFTER: Partial<Record<RotationStep, RotationStep>> = {
  create: 'set',
  set: 'test',
  canary: 'promote',
  promote: 'settle',
  settle: 'retire',
  retire: 'end',
  discard: 'end',
};

/**
 * The progress after an event. Pure: the same progress and event give the same result in every process.
 * @throws ERR_CONFLICT for an event that the current state does not allow; the detail names those that it allows.
 */
export function progressAfter(
  progress: RotationProgress,
  event: RotationEvent,
  traits: RotationTraits,
): RotationProgress {
  if (isOver(progress)) throw refused('it has ended');
  switch (event.type) {
    case 'begun':
      return begun(progress, event.step);
    case 'done':
      return done(progress, event.step, traits);
    case 'failed':
      return failed(progress, event.step, event.isFinal);
    case 'waits':
      expectUnderWay(progress, event.step);
      return { ...progress, attempts: triesForgotten(progress) };
    case 'retry':
      if (progress.state !== 'parked') throw refused('only a parked rotation can be retried');
      return {
        state: directionOf(progress.step, traits),
        step: progress.step,
        attempts: triesForgotten(progress),
      };
    case 'abort':
      return aborted(progress, traits);
    case 'rollBack':
      return rolledBack(progress, traits);
    case 'retire':
      if (progress.step !== 'settle') throw refused('no old credential waits to be retired');
      return { state: 'running', step: 'retire', attempts: 0 };
  }
}

export function isOver({ state }: Pick<RotationProgress, 'state'>): boolean {
  return state === 'done' || state === 'aborted' || state === 'rolled_back';
}

/** The state in which a step resumes after an operator acted: the step alone says whether the rotation goes forward or back. */
function directionOf(step: RotationStep, { kind }: RotationTraits): 'running' | 'undoing' {
  return step === 'discard' && kind === 'rotation' ? 'undoing' : 'running';
}

/** Keeps one attempt of a started step: its effect may have happened. */
function triesForgotten({ attempts }: RotationProgress): number {
  return Math.min(attempts, 1);
}

function begun(progress: RotationProgress, step: RotationStep): RotationProgress {
  expectUnderWay(progress, step);
  return { ...progress, attempts: progress.attempts + 1 };
}

function done(
  progress: RotationProgress,
  step: RotationStep,
  traits: RotationTraits,
): RotationProgress {
  expectUnderWay(progress, step);
  const next = step === 'test' ? afterTest(traits) : AFTER[step];
  if (next === undefined) throw refused(`nothing follows the step ${step}`);
  const state = next === 'end' ? endOf(progress, traits) : progress.state;
  return { state, step: next, attempts: 0 };
}

function endOf({ state }: RotationProgress, { wasPromoted }: RotationTraits): RotationState {
  if (state === 'running') return 'done';
  return wasPromoted ? 'rolled_back' : 'aborted';
}

/** A drill ends by discarding what it created; it promotes nothing. */
function afterTest({ kind, canary }: RotationTraits): RotationStep {
  if (kind === 'drill') return 'discard';
  return canary ? 'canary' : 'promote';
}

function failed(
  progress: RotationProgress,
  step: RotationStep,
  isFinal: boolean,
): RotationProgress {
  expectUnderWay(progress, step);
  const isEnough = isFinal || progress.attempts >= MOST_ATTEMPTS;
  return { ...progress, state: isEnough ? 'parked' : progress.state };
}

/** Reasons why a step cannot be aborted. */
const NO_ABORT: Partial<Record<RotationStep, string>> = {
  settle: 'the new version is current already: roll it back, or retire the old one',
  retire: 'the old credential is being revoked: rotate again instead',
  end: 'it has ended',
};

/** Allowed before the new version is current. A promotion that has begun may already have made it current, so it is rolled back too. */
function aborted(
  { state, step, attempts }: RotationProgress,
  traits: RotationTraits,
): RotationProgress {
  const why = NO_ABORT[step];
  if (why !== undefined) throw refused(why);
  if (step === 'discard') {
    if (state !== 'parked') throw refused('it is being undone already');
    return givenUp(traits);
  }
  if (step === 'promote' && attempts > 0 && !traits.hasPrevious) throw refused(NOTHING_BEFORE);
  return UNDOING;
}

const UNDOING: RotationProgress = { state: 'undoing', step: 'discard', attempts: 0 };

/** A value that cannot be discarded is left at the target, unless it is the only one that works there. */
function givenUp({ slots, hasPending, wasPromoted }: RotationTraits): RotationProgress {
  if (slots === 'one' && hasPending) {
    throw refused('the new value may be the only one that works at the target: retry');
  }
  return { state: wasPromoted ? 'rolled_back' : 'aborted', step: 'end', attempts: 0 };
}

const NOTHING_BEFORE = 'there was no value before it: rotate again instead';

/** Allowed only while the old credential still works. */
function rolledBack({ step }: RotationProgress, traits: RotationTraits): RotationProgress {
  if (step === 'canary') return UNDOING;
  if (step !== 'settle') throw refused('a rollback needs an old credential that still works');
  if (traits.slots === 'one') {
    throw refused('the old credential was revoked when the new one was set: rotate again instead');
  }
  if (!traits.hasPrevious) throw refused(NOTHING_BEFORE);
  return UNDOING;
}

function expectUnderWay(progress: RotationProgress, step: RotationStep): void {
  if (progress.state === 'parked') throw refused('it is parked');
  if (progress.step !== step) throw refused(`it is at the step ${progress.step}, not ${step}`);
}

function refused(why: string): BrokerError {
  return new BrokerError('ERR_CONFLICT', `the rotation does not allow this: ${why}`, {
    reason: 'rotation_state',
  });
}
