import { describe, expect, it } from '@jest/globals';
import { inBrokerTime } from '../../../../src/program/clusters/in-broker-time.ts';
import type { AttestedWorkload } from '../../../../src/ports/workload-authenticator.ts';
import { HandClock } from '../../../kit/time/hand-clock.ts';

const ATTESTED: AttestedWorkload = {
  workload: { cluster: 'prod', identity: ['shop'] },
  tokenEndsAt: Date.UTC(2026, 0, 1, 1),
  tokenIssuedAt: Date.UTC(2026, 0, 1),
  audiences: [],
  tokenId: 'a',
  method: 'x509-svid',
};

/** A clock that advances by a millisecond at each reading. */
class AdvancingClock extends HandClock {
  readonly #aheadMs: number;

  constructor(aheadMs: number) {
    super();
    this.#aheadMs = aheadMs;
  }

  override now(): number {
    this.advance(1);
    return super.now();
  }

  ahead(): number {
    return this.#aheadMs;
  }
}

describe('times of a token in the time of the broker', () => {
  it.each([0, 90_000])('are later by what the clock is ahead, exactly: %d ms', async (aheadMs) => {
    const authenticator = inBrokerTime(new AdvancingClock(aheadMs), () => ({
      authenticate: () => Promise.resolve(ATTESTED),
      authenticateCertificate: () => Promise.resolve(ATTESTED),
      close: () => undefined,
    }));
    const expected = {
      tokenEndsAt: ATTESTED.tokenEndsAt + aheadMs,
      tokenIssuedAt: ATTESTED.tokenIssuedAt + aheadMs,
    };
    const context = { requestId: 'req_1', signal: new AbortController().signal };
    expect(await authenticator.authenticate('token', context)).toMatchObject(expected);
    expect(await authenticator.authenticateCertificate?.([])).toMatchObject(expected);
  });
});
