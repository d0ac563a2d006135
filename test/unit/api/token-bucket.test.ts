import { describe, expect, it } from '@jest/globals';
import { Buckets, TokenBucket } from '../../../src/api/token-bucket.ts';
import { HandClock } from '../../support/hand-clock.ts';

describe('a token bucket', () => {
  const rate = { perSecond: 2, burst: 4 };

  it('gives its burst, then what time brings', () => {
    const bucket = new TokenBucket(rate, 0);
    expect([1, 1, 1, 1].map((weight) => bucket.take(weight, 0))).toEqual([0, 0, 0, 0]);
    expect(bucket.take(1, 0)).toBe(1);
    expect(bucket.take(1, 499)).toBe(1);
    expect(bucket.take(1, 500)).toBe(0);
    expect(bucket.take(1, 500)).toBe(1);
  });

  it('says how long until there is enough, and takes nothing before', () => {
    const bucket = new TokenBucket(rate, 0);
    bucket.take(4, 0);
    expect(bucket.take(4, 0)).toBe(2);
    expect(bucket.take(4, 2_000)).toBe(0);
  });

  it('never holds more than its burst', () => {
    const bucket = new TokenBucket(rate, 0);
    expect(bucket.take(4, 1e9)).toBe(0);
    expect(bucket.take(1, 1e9)).toBe(1);
  });

  it('gives all it can hold to who asks more than that', () => {
    const bucket = new TokenBucket(rate, 0);
    expect(bucket.take(100, 0)).toBe(0);
    expect(bucket.take(1, 0)).toBe(1);
  });

  it('lets a charge go into debt, no deeper than its burst', () => {
    const bucket = new TokenBucket(rate, 0);
    bucket.charge(1_000, 0);
    expect(bucket.wait(1, 0)).toBe(3);
    expect(bucket.take(1, 2_500)).toBe(0);
  });
});

describe('many buckets', () => {
  it('forget who was not seen for long, so that strangers cannot fill memory', () => {
    const buckets = new Buckets(new HandClock(), { perSecond: 1, burst: 1 });
    expect(buckets.of('a').take(1, 0)).toBe(0);
    expect(buckets.of('a').take(1, 0)).toBe(1);
    for (let index = 0; index < 50_000; index += 1) buckets.of(`stranger ${index}`);
    expect(buckets.of('a').take(1, 0)).toBe(0);
  });
});
