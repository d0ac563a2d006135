import { describe, expect, it } from '@jest/globals';
import { SteadyClock } from '../../../src/process/steady-clock.ts';
import { HandClock } from '../../kit/time/hand-clock.ts';

const MINUTE = 60_000;

describe('a clock that never goes back', () => {
  it('follows the system clock while that goes forward, jumps included', () => {
    const hand = new HandClock();
    const steady = new SteadyClock(hand);
    hand.advance(MINUTE);
    expect(steady.now()).toBe(hand.now());
    hand.setWall(hand.now() + 60 * MINUTE);
    expect(steady.now()).toBe(hand.now());
  });

  it('runs at the pace of the monotonic clock while the system clock is behind', () => {
    const hand = new HandClock();
    const steady = new SteadyClock(hand);
    const start = steady.now();
    hand.setWall(start - 30 * MINUTE);
    expect(steady.now()).toBe(start);
    hand.advance(10 * MINUTE);
    expect(steady.now()).toBe(start + 10 * MINUTE);
    hand.setWall(start - 60 * MINUTE);
    hand.advance(10 * MINUTE);
    expect(steady.now()).toBe(start + 20 * MINUTE);
    hand.setWall(start + 21 * MINUTE);
    expect(steady.now()).toBe(hand.now());
  });

  it('counts the time between two calls, also when the clock was set back in between', () => {
    const hand = new HandClock();
    const steady = new SteadyClock(hand);
    const start = steady.now();
    hand.advance(5 * MINUTE);
    hand.setWall(start - MINUTE);
    hand.advance(MINUTE);
    expect(steady.now()).toBe(start + 6 * MINUTE);
  });

  it('begins no earlier than a time that was reached before', () => {
    const hand = new HandClock();
    const steady = new SteadyClock(hand);
    const reached = hand.now() + 60 * MINUTE;
    steady.notBefore(reached);
    hand.advance(MINUTE);
    expect(steady.now()).toBe(reached + MINUTE);
    steady.notBefore(reached - 10 * MINUTE);
    expect(steady.now()).toBe(reached + MINUTE);
  });

  it('shows whole milliseconds', () => {
    const hand = new HandClock();
    const steady = new SteadyClock(hand);
    hand.setWall(hand.now() - MINUTE);
    hand.advance(0.4);
    expect(Number.isInteger(steady.now())).toBe(true);
  });
});

describe('a jump ahead', () => {
  const DAY = 24 * 60 * MINUTE;
  const jumped = (forMs: number): { readonly hand: HandClock; readonly steady: SteadyClock } => {
    const hand = new HandClock();
    const steady = new SteadyClock(hand);
    steady.now();
    hand.setWall(hand.now() + DAY);
    for (let at = 0; at < forMs; at += MINUTE / 6) {
      steady.now();
      hand.advance(MINUTE / 6);
    }
    steady.now();
    return { hand, steady };
  };

  it('is known once the system clock has been back for two minutes', () => {
    const { hand, steady } = jumped(MINUTE / 6);
    expect(steady.ahead()).toBe(0);
    hand.setWall(hand.now() - DAY);
    expect([steady.ahead(), steady.aheadOfSystem()]).toEqual([0, DAY]);
    hand.advance(2 * MINUTE);
    expect([steady.ahead(), steady.aheadOfSystem()]).toEqual([DAY, DAY]);
    hand.advance(DAY / 2);
    expect(steady.ahead()).toBe(DAY);
  });

  it.each([-MINUTE, MINUTE])(
    'is not known while the system clock is %p ms from the time before the jump',
    (off) => {
      const { hand, steady } = jumped(MINUTE / 6);
      hand.setWall(hand.now() - DAY + off);
      steady.ahead();
      hand.advance(10 * MINUTE);
      expect(steady.ahead()).toBe(0);
    },
  );

  it('is not known after the system clock has stayed ahead for ten minutes: it may have been right', () => {
    const { hand, steady } = jumped(11 * MINUTE);
    hand.setWall(hand.now() - DAY);
    steady.ahead();
    hand.advance(10 * MINUTE);
    expect(steady.ahead()).toBe(0);
  });

  it('is not known for a clock that was only set back, or that was behind at the start', () => {
    const hand = new HandClock();
    const steady = new SteadyClock(hand);
    steady.notBefore(hand.now() + DAY);
    steady.ahead();
    hand.advance(10 * MINUTE);
    expect([steady.ahead(), steady.aheadOfSystem()]).toEqual([0, DAY]);
  });
});
