import { describe, expect, it } from '@jest/globals';
import { Refusals, type RefusalSummary } from '../../../src/audit/refusals.ts';
import { HandClock } from '../../support/hand-clock.ts';

function make(): { refusals: Refusals; clock: HandClock; summaries: RefusalSummary[] } {
  const clock = new HandClock(1000);
  const summaries: RefusalSummary[] = [];
  const limits = { entriesPerWindow: 3, windowSeconds: 60 };
  const refusals = new Refusals(limits, clock, (each) => summaries.push(...each));
  return { refusals, clock, summaries };
}

describe('refusals before authentication', () => {
  it('are entries up to a number for each address and window, and one summary beyond', () => {
    const { refusals, clock, summaries } = make();
    const admitted = Array.from({ length: 10 }, () => refusals.admit('10.0.0.1'));
    expect(admitted.filter(Boolean)).toHaveLength(3);
    expect(refusals.admit('10.0.0.2')).toBe(true);
    clock.advance(60_000);
    expect(summaries).toEqual([{ address: '10.0.0.1', count: 7, since: 1000 }]);
    expect(refusals.admit('10.0.0.1')).toBe(true);
    clock.advance(60_000);
    expect(summaries).toHaveLength(1);
  });

  it('take bounded memory: addresses beyond the table are counted together', () => {
    const { refusals, summaries } = make();
    for (let i = 0; i < 10_000; i++) refusals.admit(`a${i}`);
    const admitted = Array.from({ length: 1000 }, (_, i) => refusals.admit(`b${i}`));
    expect(admitted.filter(Boolean)).toHaveLength(3);
    refusals.flush();
    expect(summaries).toEqual([{ address: undefined, count: 997, since: 1000 }]);
  });

  it('lose no count at the end of the process', () => {
    const { refusals, summaries } = make();
    refusals.flush();
    for (let i = 0; i < 5; i++) refusals.admit('10.0.0.1');
    refusals.flush();
    refusals.flush();
    expect(summaries).toEqual([{ address: '10.0.0.1', count: 2, since: 1000 }]);
  });
});
