import { describe, expect, it } from '@jest/globals';
import { HeldBytes } from '../../../src/listener/held-bytes.ts';

describe('bytes that are held', () => {
  it('are bounded for each holder and in all', () => {
    const held = new HeldBytes({ ofOne: 64, ofAll: 100 });
    expect(held.take('a', 64)).toBe(true);
    expect(held.take('a', 1)).toBe(false);
    expect(held.isFull('a')).toBe(true);
    expect(held.isFull('b')).toBe(false);
    expect(held.take('b', 37)).toBe(false);
    expect(held.take('b', 36)).toBe(true);
    expect(held.isFull('c')).toBe(true);
    held.release('b', 36);
    expect(held.isFull('c')).toBe(false);
    held.release('a', 64);
    expect(held.all).toBe(0);
  });

  it('are counted beyond the bounds where they exist already, and then nothing more is taken', () => {
    const held = new HeldBytes({ ofOne: 10, ofAll: 20 });
    held.add('a', 1_000);
    expect([held.isFull('a'), held.isFull('b'), held.take('b', 1)]).toEqual([true, true, false]);
    held.release('a', 1_000);
    expect(held.take('b', 1)).toBe(true);
  });
});
