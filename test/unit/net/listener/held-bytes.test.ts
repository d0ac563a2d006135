import { describe, expect, it } from '@jest/globals';
import { HeldBytes } from '../../../../src/net/listener/held-bytes.ts';

describe('held bytes', () => {
  it('are bounded for a holder', () => {
    const held = new HeldBytes({ ofOne: 64, ofAll: 512 });
    expect(held.take('a', 64)).toBe(true);
    expect(held.take('a', 1)).toBe(false);
    expect([held.isFull('a'), held.isFull('b')]).toEqual([true, false]);
    held.release('a', 64);
    expect(held.take('a', 64)).toBe(true);
    held.release('a', 64);
    expect(held.all).toBe(0);
  });

  it('leave a newcomer as much as each holder that fills its share, however many there are (DI06)', () => {
    const held = new HeldBytes({ ofOne: 1_000, ofAll: 8_000 });
    const names = Array.from({ length: 50 }, (_, n) => `hostile ${n}`);
    // The holders take turns until none gets more.
    while (names.filter((name) => held.take(name, 1)).length > 0);
    expect(held.all).toBeLessThan(8_000);
    let newcomer = 0;
    while (held.take('newcomer', 1)) newcomer += 1;
    expect(newcomer).toBeGreaterThan(100);
  });

  it('are counted beyond the bounds if they exist already, and then no more are accepted', () => {
    const held = new HeldBytes({ ofOne: 10, ofAll: 20 });
    held.add('a', 1_000);
    expect([held.isFull('a'), held.isFull('b'), held.take('b', 1)]).toEqual([true, true, false]);
    held.release('a', 1_000);
    expect(held.take('b', 1)).toBe(true);
  });
});
