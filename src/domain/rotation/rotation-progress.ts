import { BrokerError } from '../errors.ts';
import type { RotationState, RotationStep } from './rotation-words.ts';

/** How far a rotation is. `attempts`: how often the present step was begun since the last one was done; those before it waited, or was parked, count as one. */
export interface RotationProgress {
  readonly state: RotationState;
  readonly step: RotationStep;
  readonly attempts: number;
}

/** What of a rotation decides where it may go. */
export interface RotationTraits {
  readonly kind: 'rotation' | 'drill';
  /** Whether the old credential keeps working beside the new one. */
  readonly slots: 'one' | 'two';
  /** Whether a part of the holders gets the new version first. */
  readonly canary: boolean;
  /** Whether a value was current before, so that there is something to go back to. */
  readonly hasPrevious: boolean;
  /** Whether the new version was made current. */
  readonly wasPromoted: boolean;
  /** Whether there is a new value, which may work at the target. */
  readonly hasPending: boolean;
}

/**
 * What happens to a rotation. `done`, `failed` and `waits` name the step they are about: an answer that comes late, from before a restart or from another
 * owner, is refused rather than taken for the present step's.
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

/** Tries of one step before it is parked until an operator looks. */
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
 * Where a rotation goes from here. Pure: the same progress and event give the same answer in every process.
 * @throws ERR_CONFLICT for what the present state does not allow; the detail says what it does allow.
 */
export function progressAfter(
  progress: RotationProgress,
  event: RotationEvent,
  traits: RotationTraits,
): RotationProgress {
  if (isOver(progress)) throw refused('it is over');
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
      if (progress.step !== 'settle') throw refused('nothing waits to be retired');
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

/** What was begun stays begun: it may have happened. */
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

/** Why a step cannot be aborted. */
const NO_ABORT: Partial<Record<RotationStep, string>> = {
  settle: 'the new version is current already: roll it back, or retire the old one',
  retire: 'the old credential is being ended: rotate again instead',
  end: 'it is over',
};

/** Before the new version is current; while it becomes current it may be current already, and both are rolled back. */
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

/** Only while the old credential still works. */
function rolledBack({ step }: RotationProgress, traits: RotationTraits): RotationProgress {
  if (step === 'canary') return UNDOING;
  if (step !== 'settle') throw refused('only a version whose old one still works is rolled back');
  if (traits.slots === 'one') {
    throw refused('the old credential ended when the new one was set: rotate again instead');
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
