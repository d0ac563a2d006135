import { describe, expect, it } from '@jest/globals';
import { retryAfterSeconds } from '../../../../src/net/https/retry-after.ts';

const DATE = 'Tue, 06 Jan 2026 10:00:00 GMT';

describe('Retry-After', () => {
  it.each<[string | undefined, string | undefined, number | undefined]>([
    [undefined, DATE, undefined],
    ['7', undefined, 7],
    ['0', undefined, 1],
    ['999999999', undefined, 3600],
    ['Tue, 06 Jan 2026 10:00:05 GMT', DATE, 5],
    ['Tue, 06 Jan 2026 09:00:00 GMT', DATE, 1],
    ['Tue, 06 Jan 2026 10:00:05 GMT', undefined, undefined],
    ['-1', DATE, undefined],
    ['soon', DATE, undefined],
    ['1e9', DATE, undefined],
  ])('means, as %s at %s, %s', (retryAfter, date, seconds) => {
    expect(retryAfterSeconds(retryAfter, date)).toBe(seconds);
  });
});
