import { describe, expect, it } from '@jest/globals';
import { KeptBytes } from '../../../../src/net/listener/kept-bytes.ts';

describe('kept bytes', () => {
  it('are bounded for a holder', () => {
    const kept = new KeptBytes({ ofOne: 64, ofAll: 512 });
    expect(kept.take('a', 64)).toBe(true);
    expect(kept.take('a', 1)).toBe(false);
    expect([kept.isFull('a'), kept.isFull('b')]).toEqual([true, false]);
    kept.release('a', 64);
    expect(kept.take('a', 64)).toBe(true);
    kept.release('a', 64);
    expect(kept.all).toBe(0);
  });

  it('leave a newcomer as much as each holder that fills its share, however many there are (DI06)', () => {
    const kept = new KeptBytes({ ofOne: 1_000, ofAll: 8_000 });
    const names = Array.from({ length: 50 }, (_, n) => `hostile ${n}`);
    // The holders take turns until none gets more.
    while (names.filter((name) => kept.take(name, 1)).length > 0);
    expect(kept.all).toBeLessThan(8_000);
    let newcomer = 0;
    while (kept.take('newcomer', 1)) newcomer += 1;
    expect(newcomer).toBeGreaterThan(100);
  });

  it('are counted beyond the bounds if they exist already, and then no more are accepted', () => {
    const kept = new KeptBytes({ ofOne: 10, ofAll: 20 });
    kept.add('a', 1_000);
    expect([kept.isFull('a'), kept.isFull('b'), kept.take('b', 1)]).toEqual([true, true, false]);
    kept.release('a', 1_000);
    expect(kept.take('b', 1)).toBe(true);
  });
});
