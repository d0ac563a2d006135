import { describe, expect, it } from '@jest/globals';
import { instant } from '../../../../src/domain/time/instant.ts';

describe('the text of a time', () => {
  it.each([0, 1, 999, 1_000, 1_764_250_000_007, 4_102_444_799_999, -1, -1_000, -1_001, 1.9, -1.9])(
    'is that of JavaScript for %d, also from the cache',
    (ms) => {
      const expected = new Date(ms).toISOString();
      expect([instant(ms), instant(ms)]).toEqual([expected, expected]);
    },
  );

  it('is that of JavaScript for more seconds than the cache keeps', () => {
    const times = Array.from({ length: 600 }, (_, n) => n * 1_357);
    expect(times.map(instant)).toEqual(times.map((ms) => new Date(ms).toISOString()));
  });

  it('is refused for a time that does not exist', () => {
    expect(() => instant(Number.NaN)).toThrow(RangeError);
  });
});
