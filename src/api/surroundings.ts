import type { Caller } from '../broker/call.ts';
import type { Parts } from '../broker/parts.ts';
import { LiveSession } from '../broker/state/sessions.ts';
import { workloadId } from '../domain/workload.ts';
import type { LimitsConfig } from './config.ts';
import type { Drain } from './drain.ts';
import type { OperationTallies } from './operation-tallies.ts';
import type { RequestIds } from './request-ids.ts';
import type { RequestLog } from './request-log.ts';
import type { SourceAddress } from './source-address.ts';
import { Buckets, type TokenBucket } from './token-bucket.ts';

/** What every request meets, made once by `createApp`. */
export interface Surroundings {
  readonly parts: Parts;
  readonly ids: RequestIds;
  readonly sources: SourceAddress;
  readonly rates: Rates;
  readonly tallies: OperationTallies;
  readonly log: RequestLog;
  readonly drain: Drain;
  readonly requestMs: number;
}

/** How much callers may ask for: by who they are, and by where they come from while that is not known. */
export class Rates {
  readonly addresses: Buckets;
  readonly logins: Buckets;
  readonly #identities: Buckets;
  readonly #bySession = new WeakMap<LiveSession, TokenBucket>();

  constructor(clock: Parts['clock'], limits: LimitsConfig) {
    this.addresses = new Buckets(clock, limits.addressRate);
    this.logins = new Buckets(clock, limits.loginRate);
    this.#identities = new Buckets(clock, limits.identityRate);
  }

  /** All sessions of a workload share one bucket; an operator has one for each token. */
  of(caller: Caller): TokenBucket {
    if (!(caller instanceof LiveSession)) return this.#identities.of(caller.operator.tokenId);
    const known = this.#bySession.get(caller);
    if (known !== undefined) return known;
    const bucket = this.#identities.of(workloadId(caller.session.workload));
    this.#bySession.set(caller, bucket);
    return bucket;
  }
}
