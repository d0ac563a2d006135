import { describe, expect, it } from '@jest/globals';
import { Backoff } from '../../../src/ports/backoff.ts';

describe('a retry delay', () => {
  it('is never longer than an hour and its jitter, for any Retry-After: a timer cannot wait for longer than 24 days', () => {
    const backoff = new Backoff(1_000, 60_000, () => 0.5);
    expect(backoff.next(7)).toBe(7_500);
    expect(backoff.next(10_000_000)).toBe(3_601_000);
  });
});
