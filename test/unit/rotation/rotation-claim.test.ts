import { beforeEach, describe, expect, it } from '@jest/globals';
import { RotationClaim, STEP_MS } from '../../../src/rotation/rotation-claim.ts';
import { BrokerError } from '../../../src/domain/errors.ts';
import { HandClock } from '../../kit/time/hand-clock.ts';

let clock: HandClock;
let stopping: AbortController;
let claim: RotationClaim;
beforeEach(() => {
  clock = new HandClock();
  stopping = new AbortController();
  claim = new RotationClaim(clock, stopping.signal);
});

function reasonOf(work: () => unknown): string | undefined {
  try {
    work();
    return 'held';
  } catch (error) {
    return BrokerError.from(error).reason;
  }
}
const held = (): string | undefined => reasonOf(() => claim.stillOurs());

describe('a claim on a step (I6)', () => {
  it('lasts for its time by both clocks', () => {
    clock.advance(STEP_MS - 1);
    expect(held()).toBe('held');
    clock.advance(1);
    expect(held()).toBe('claim_lost');
  });

  it('expires by the wall clock, which other processes compare', () => {
    clock.setWall(clock.now() + STEP_MS);
    expect(held()).toBe('claim_lost');
  });

  it('does not last longer when the wall clock is set back', () => {
    clock.setWall(clock.now() - 3_600_000);
    expect(held()).toBe('held');
    clock.advance(STEP_MS);
    expect(held()).toBe('claim_lost');
  });

  it('ends with its step, even if work still runs', async () => {
    await claim.runWithin(() => Promise.resolve());
    expect(held()).toBe('claim_lost');
  });

  it('refuses work that starts after its expiry (F08)', async () => {
    clock.setWall(clock.now() + STEP_MS);
    let isBegun = false;
    const work = claim.runWithin(() => {
      isBegun = true;
      return Promise.resolve();
    });
    await expect(work).rejects.toMatchObject({ reason: 'claim_lost' });
    expect(isBegun).toBe(false);
  });

  it('cancels hanging work at the time-out and when the process stops', async () => {
    const hangs = claim.runWithin(() => new Promise(() => undefined));
    clock.advance(STEP_MS);
    await expect(hangs).rejects.toMatchObject({ code: 'ERR_PROVIDER_TIMEOUT' });
    const other = new RotationClaim(clock, stopping.signal);
    const stopped = other.runWithin(() => new Promise(() => undefined));
    stopping.abort(new Error('stopping'));
    await expect(stopped).rejects.toThrow('stopping');
  });
});
