import { describe, expect, it } from '@jest/globals';
import { BrokerError } from '../../../../src/domain/errors.ts';
import {
  MOST_ATTEMPTS,
  progressAfter,
  type RotationEvent,
  type RotationProgress,
  type RotationTraits,
} from '../../../../src/domain/rotation/rotation-progress.ts';
import type { RotationStep } from '../../../../src/domain/rotation/rotation-words.ts';

const TRAITS: RotationTraits = {
  kind: 'rotation',
  slots: 'two',
  canary: false,
  hasPrevious: true,
  wasPromoted: false,
  hasPending: true,
};
const STEPS: readonly RotationStep[] = [
  'create',
  'set',
  'test',
  'canary',
  'promote',
  'settle',
  'retire',
  'discard',
  'end',
];

/** `state/step/attempts` after the event, or `refused`. */
function after(
  from: Partial<RotationProgress>,
  event: RotationEvent,
  traits: Partial<RotationTraits> = {},
): string {
  const progress: RotationProgress = { state: 'running', step: 'create', attempts: 1, ...from };
  try {
    const { state, step, attempts } = progressAfter(progress, event, { ...TRAITS, ...traits });
    return `${state}/${step}/${attempts}`;
  } catch (error) {
    return error instanceof BrokerError && error.code === 'ERR_CONFLICT' ? 'refused' : 'threw';
  }
}

describe('the steps of a rotation (R01)', () => {
  it.each([
    ['create', 'running/set/0'],
    ['set', 'running/test/0'],
    ['test', 'running/promote/0'],
    ['canary', 'running/promote/0'],
    ['promote', 'running/settle/0'],
    ['settle', 'running/retire/0'],
    ['retire', 'done/end/0'],
    ['discard', 'done/end/0'],
    ['end', 'refused'],
  ] as const)('lead from %s, done, to %s', (step, expected) => {
    expect(after({ step }, { type: 'done', step })).toBe(expected);
  });

  it.each(STEPS)('accept at %s only their own completion (R01)', (step) => {
    for (const other of STEPS.filter((each) => each !== step)) {
      expect(after({ step }, { type: 'done', step: other })).toBe('refused');
      expect(after({ step }, { type: 'begun', step: other })).toBe('refused');
      expect(after({ step }, { type: 'failed', step: other, isFinal: false })).toBe('refused');
    }
  });

  it.each([
    ['a drill is discarded after its test', { kind: 'drill' }, 'running/discard/0'],
    ['a drill has no canary', { kind: 'drill', canary: true }, 'running/discard/0'],
    ['a canary comes before all holders', { canary: true }, 'running/canary/0'],
  ] as const)('%s', (_name, traits, expected) => {
    expect(after({ step: 'test' }, { type: 'done', step: 'test' }, traits)).toBe(expected);
  });

  it.each([
    [false, 'aborted/end/0'],
    [true, 'rolled_back/end/0'],
  ])('a rollback of a promoted version (%s) ends as %s', (wasPromoted, expected) => {
    const from = { state: 'undoing', step: 'discard' } as const;
    expect(after(from, { type: 'done', step: 'discard' }, { wasPromoted })).toBe(expected);
  });

  it('count each attempt, and start at zero with each step', () => {
    expect(after({ attempts: 2 }, { type: 'begun', step: 'create' })).toBe('running/create/3');
    expect(after({ attempts: 2 }, { type: 'done', step: 'create' })).toBe('running/set/0');
  });
});

describe('a failing step', () => {
  it.each([
    [1, false, 'running/set/1'],
    [MOST_ATTEMPTS - 1, false, 'running/set/5'],
    [MOST_ATTEMPTS, false, 'parked/set/6'],
    [1, true, 'parked/set/1'],
  ])('gives, at attempt %s, finally: %s, the state %s', (attempts, isFinal, expected) => {
    expect(after({ step: 'set', attempts }, { type: 'failed', step: 'set', isFinal })).toBe(
      expected,
    );
  });

  it.each(STEPS)('does not continue by itself once it is parked at %s', (step) => {
    const from = { state: 'parked', step } as const;
    expect(after(from, { type: 'begun', step })).toBe('refused');
    expect(after(from, { type: 'done', step })).toBe('refused');
    expect(after(from, { type: 'failed', step, isFinal: false })).toBe('refused');
  });

  it.each([
    ['set', {}, 'running/set/1'],
    ['retire', {}, 'running/retire/1'],
    ['discard', {}, 'undoing/discard/1'],
    ['discard', { kind: 'drill' }, 'running/discard/1'],
  ] as const)('is retried from %s (%j), once parked, as %s', (step, traits, expected) => {
    const from = { state: 'parked', step, attempts: MOST_ATTEMPTS } as const;
    expect(after(from, { type: 'retry' }, traits)).toBe(expected);
  });

  it('is retried as the same step if it was parked before its first attempt', () => {
    const from = { state: 'parked', step: 'promote', attempts: 0 } as const;
    expect(after(from, { type: 'retry' })).toBe('running/promote/0');
  });

  it('never becomes "not started" again once it may have happened, also after a retry', () => {
    const from = { state: 'parked', step: 'promote', attempts: 6 } as const;
    const retried = progressAfter(from, { type: 'retry' }, TRAITS);
    expect(after(retried, { type: 'abort' }, { hasPrevious: false })).toBe('refused');
  });

  it.each(['running', 'undoing'] as const)(
    'is not retried by an operator while it is %s',
    (state) => {
      expect(after({ state }, { type: 'retry' })).toBe('refused');
    },
  );
});

describe('a step that waits for its target', () => {
  it.each(STEPS)('stays the current step at %s, and uses no attempt', (step) => {
    const from = { step, attempts: MOST_ATTEMPTS };
    expect(after(from, { type: 'waits', step })).toBe(`running/${step}/1`);
  });

  it('is refused if it is not the current one, or parked', () => {
    expect(after({ step: 'set' }, { type: 'waits', step: 'create' })).toBe('refused');
    expect(after({ state: 'parked' }, { type: 'waits', step: 'create' })).toBe('refused');
  });
});

describe('the action of an operator', () => {
  const undone = 'undoing/discard/0';
  it.each([
    ['create', undone, 'refused', 'refused'],
    ['set', undone, 'refused', 'refused'],
    ['test', undone, 'refused', 'refused'],
    ['canary', undone, undone, 'refused'],
    ['promote', undone, 'refused', 'refused'],
    ['settle', 'refused', undone, 'running/retire/0'],
    ['retire', 'refused', 'refused', 'refused'],
    ['discard', 'refused', 'refused', 'refused'],
    ['end', 'refused', 'refused', 'refused'],
  ] as const)(
    'is judged at %s: abort %s, roll back %s, retire %s',
    (step, abort, rollBack, retire) => {
      expect(after({ step }, { type: 'abort' })).toBe(abort);
      expect(after({ step }, { type: 'rollBack' })).toBe(rollBack);
      expect(after({ step }, { type: 'retire' })).toBe(retire);
    },
  );

  it.each([
    ['roll back with one slot', 'settle', 'rollBack', { slots: 'one' }],
    ['roll back without an earlier version', 'settle', 'rollBack', { hasPrevious: false }],
    [
      'abort a promotion that may have happened, without an earlier version',
      'promote',
      'abort',
      { hasPrevious: false },
    ],
  ] as const)('does not %s', (_name, step, type, traits) => {
    expect(after({ step }, { type }, traits)).toBe('refused');
  });

  it.each([
    [{ slots: 'two' }, 'aborted/end/0'],
    [{ slots: 'two', wasPromoted: true }, 'rolled_back/end/0'],
    [{ slots: 'one', hasPending: false }, 'aborted/end/0'],
    [{ slots: 'one' }, 'refused'],
  ] as const)('ends a parked rollback (%j): %s', (traits, expected) => {
    const from = { state: 'parked', step: 'discard' } as const;
    expect(after(from, { type: 'abort' }, traits)).toBe(expected);
  });

  it.each(['done', 'aborted', 'rolled_back'] as const)('is refused when it is %s', (state) => {
    for (const type of ['retry', 'abort', 'rollBack', 'retire'] as const)
      expect(after({ state, step: 'end' }, { type })).toBe('refused');
    for (const step of STEPS)
      expect(after({ state, step }, { type: 'begun', step })).toBe('refused');
  });
});
