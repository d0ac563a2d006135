import { describe, expect, it } from '@jest/globals';
import { Refusals, type RefusalSummary } from '../../../../src/audit/base/refusals.ts';
import type { EncodedActor } from '../../../../src/domain/audit/audit-event.ts';
import type { Refused } from '../../../../src/ports/refusal-tally.ts';
import { HandClock } from '../../../kit/time/hand-clock.ts';

function make(kindsPerHolder = 1): {
  refusals: Refusals;
  clock: HandClock;
  summaries: RefusalSummary[];
} {
  const clock = new HandClock(1000);
  const summaries: RefusalSummary[] = [];
  const limits = {
    entriesPerWindow: 3,
    windowSeconds: 60,
    kindsPerHolder,
    entriesInAll: 1_000,
    rowsInAll: 1_024,
  };
  const refusals = new Refusals(limits, clock, (each) => {
    summaries.push(...each);
    return Promise.resolve();
  });
  return { refusals, clock, summaries };
}

const by = (holder: string, kind = 'any', more: Partial<Refused> = {}): Refused => ({
  holder,
  kind,
  outcome: 'deny',
  path: kind,
  ...more,
});
const actor = (text: string): EncodedActor => text as EncodedActor;
const times = (count: number, admit: (index: number) => boolean): number =>
  Array.from({ length: count }, (_, index) => admit(index)).filter(Boolean).length;

describe('refusals', () => {
  it('are entries up to a limit for each holder and window, and one summary beyond it', () => {
    const { refusals, clock, summaries } = make();
    expect(times(9, () => refusals.admit(by('10.0.0.1')))).toBe(3);
    clock.advance(5_000);
    expect(refusals.admit(by('10.0.0.1'))).toBe(false);
    expect(refusals.admit(by('10.0.0.2'))).toBe(true);
    clock.advance(55_000);
    expect(summaries).toMatchObject([
      { refused: { holder: '10.0.0.1' }, count: 7, since: 1000, last: 6000 },
    ]);
    expect(refusals.admit(by('10.0.0.1'))).toBe(true);
    clock.advance(60_000);
    expect(summaries).toHaveLength(1);
  });

  it('are separated by kind up to a limit for each holder; the others are counted together', () => {
    const { refusals, summaries } = make(4);
    const admitted = times(100, (index) => refusals.admit(by('a', `path-${index}`)));
    expect(admitted).toBe(4 + 3);
    void refusals.flush();
    expect(summaries).toMatchObject([{ refused: { holder: 'a', kind: '' }, count: 93 }]);
    expect(summaries[0]?.refused.path).toBeUndefined();
  });

  it('are limited in entries over all kinds for one holder', () => {
    const { refusals, summaries } = make(1_000);
    expect(times(500, (index) => refusals.admit(by('a', `path-${index % 100}`)))).toBe(30);
    void refusals.flush();
    expect(summaries.reduce((sum, { count }) => sum + count, 0)).toBe(470);
  });

  it('use bounded memory and entries: holders beyond the table are counted together (A11)', () => {
    const { refusals, summaries } = make();
    expect(times(1_024, (index) => refusals.admit(by(`a${index}`)))).toBe(1_000);
    expect(times(1_000, (index) => refusals.admit(by(`b${index}`)))).toBe(0);
    void refusals.flush();
    expect(summaries).toHaveLength(24 + 1);
    expect(summaries.at(-1)).toMatchObject({ refused: { holder: '' }, count: 1_000 });
    expect(summaries.at(-1)?.refused.actor).toBeUndefined();
  });

  it('name the pod in a summary only if all of them have the same pod', () => {
    const { refusals, summaries } = make();
    const whole = { sharedActor: () => actor('workload') };
    const admit = (holder: string, pod: string) =>
      refusals.admit(by(holder, 'any', { actor: actor(pod), ...whole }));
    times(10, () => admit('one', 'pod-1'));
    times(10, (index) => admit('two', `pod-${index % 2}`));
    void refusals.flush();
    expect(summaries.map(({ refused }) => refused.actor)).toEqual(['pod-1', 'workload']);
  });

  it('lose no count at the end of the process', () => {
    const { refusals, summaries } = make();
    void refusals.flush();
    times(5, () => refusals.admit(by('10.0.0.1')));
    void refusals.flush();
    void refusals.flush();
    expect(summaries).toMatchObject([{ count: 2 }]);
  });
});
