import { describe, expect, it } from '@jest/globals';
import {
  Buckets,
  MemberBucket,
  TokenBucket,
  type Bucket,
} from '../../../../src/broker/kernel/token-bucket.ts';
import { HandClock } from '../../../kit/time/hand-clock.ts';

describe('a token bucket', () => {
  const rate = { perSecond: 2, burst: 4 };

  it('gives its burst, then its rate over time', () => {
    const bucket = new TokenBucket(rate, 0);
    expect([1, 1, 1, 1].map((weight) => bucket.take(weight, 0))).toEqual([0, 0, 0, 0]);
    expect(bucket.take(1, 0)).toBe(1);
    expect(bucket.take(1, 499)).toBe(1);
    expect(bucket.take(1, 500)).toBe(0);
    expect(bucket.take(1, 500)).toBe(1);
  });

  it('reports the wait until there is enough, and takes nothing before', () => {
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

  it('gives its whole content to a caller that requests more than that', () => {
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

describe('a member of a group', () => {
  const make = (): { group: TokenBucket; member: () => MemberBucket } => {
    const group = new TokenBucket({ perSecond: 100, burst: 400 }, 0);
    const member = (): MemberBucket =>
      new MemberBucket(group, new TokenBucket({ perSecond: 50, burst: 100 }, 0));
    return { group, member };
  };
  const takenBy = (bucket: Bucket, now: number): number => {
    let taken = 0;
    while (bucket.take(1, now) === 0) taken += 1;
    return taken;
  };

  it('leaves the others a quarter of the burst when it requests without pause', () => {
    const { member } = make();
    expect(takenBy(member(), 0)).toBe(300);
    expect(takenBy(member(), 0)).toBe(100);
  });

  it('leaves the others half of the refill when it requests without pause (DI10)', () => {
    const { group, member } = make();
    const greedy = member();
    takenBy(greedy, 0);
    takenBy(group, 0);
    const modest = member();
    for (let now = 1_000; now <= 10_000; now += 1_000) {
      expect(takenBy(greedy, now)).toBe(50);
      expect(takenBy(modest, now)).toBe(50);
    }
  });

  it('gets the whole refill when it is alone', () => {
    const { member } = make();
    const alone = member();
    takenBy(alone, 0);
    let taken = 0;
    for (let now = 1_000; now <= 60_000; now += 1_000) taken += takenBy(alone, now);
    expect(taken).toBeGreaterThan(0.95 * 60 * 100);
  });
});

describe('many buckets', () => {
  it('drop callers that were absent for long, so that they cannot fill memory', () => {
    const buckets = new Buckets(new HandClock(), { perSecond: 1, burst: 1 });
    expect(buckets.of('a').take(1, 0)).toBe(0);
    expect(buckets.of('a').take(1, 0)).toBe(1);
    for (let index = 0; index < 50_000; index += 1) buckets.of(`stranger ${index}`);
    expect(buckets.of('a').take(1, 0)).toBe(0);
  });
});
