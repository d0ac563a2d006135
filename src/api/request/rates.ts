import { identityOf, type Caller } from '../../broker/access/call.ts';
import { LiveSession } from '../../broker/state/session-memory.ts';
import { BrokerError, type ErrorKind } from '../../domain/errors.ts';
import type { Clock } from '../../ports/clock.ts';
import type { LimitsConfig } from '../config.ts';
import { Buckets, MemberBucket, type Bucket, type Rate } from '../../broker/kernel/token-bucket.ts';

/** The additional weight of a rejected token in the rate of its network. */
const FAILURE_WEIGHT = 10;

/**
 * Kinds of errors that count as denials of a caller. "Not found" is not one: an operator that applies a thousand new documents reads each
 * of them first.
 */
const DENIALS: readonly ErrorKind[] = ['denied', 'unauthenticated'];

/** Request rates of callers: by identity, and by network until the identity is known. */
export class Rates {
  readonly #clock: Clock;
  readonly #identities: Buckets;
  readonly #pods: Buckets;
  readonly #networks: Buckets;
  readonly #logins: Buckets;
  readonly #denials: Buckets;
  readonly #forgeries: Buckets;
  readonly #sources: Buckets;
  readonly #bySession = new WeakMap<LiveSession, Bucket>();

  /** The rates of `limits` may change while the broker runs: buckets read them at each use. */
  constructor(clock: Clock, limits: LimitsConfig) {
    this.#clock = clock;
    this.#identities = new Buckets(clock, limits.identityRate);
    this.#pods = new Buckets(clock, podRate(limits.identityRate));
    this.#networks = new Buckets(clock, limits.addressRate);
    this.#denials = new Buckets(clock, limits.denialRate);
    this.#logins = new Buckets(clock, limits.loginRate);
    this.#forgeries = new Buckets(clock, limits.addressRate);
    this.#sources = new Buckets(clock, limits.alertRate);
  }

  of(caller: Caller): Bucket {
    if (!(caller instanceof LiveSession)) return this.#identities.of(identityOf(caller));
    const known = this.#bySession.get(caller);
    if (known !== undefined) return known;
    const workload = this.#identities.of(caller.workloadId);
    const { cluster, pod } = caller.session.workload;
    const bucket =
      pod === undefined
        ? workload
        : new MemberBucket(workload, this.#pods.of(`${cluster}/${pod.uid}`));
    this.#bySession.set(caller, bucket);
    return bucket;
  }

  /** @throws ERR_RATE_LIMITED with the seconds to wait. */
  takeFromCaller(caller: Caller, weight: number): void {
    refuseAfter(this.of(caller).take(weight, this.#clock.monotonic()), 'rate');
  }

  /** Requests of one source of alerts, from all of its addresses. @throws ERR_RATE_LIMITED */
  takeFromSource(source: string): void {
    refuseAfter(this.#sources.of(source).take(1, this.#clock.monotonic()), 'alert_rate');
  }

  /** Charges more alerts of a request, which was admitted, to their source; its next requests wait for it. */
  chargeSource(source: string, weight: number): void {
    this.#sources.of(source).charge(weight, this.#clock.monotonic());
  }

  /** Charges the cost of a request beyond its weight to the caller; the next requests wait for it. */
  chargeCaller(caller: Caller, weight: number): void {
    this.of(caller).charge(weight, this.#clock.monotonic());
  }

  /** @throws ERR_RATE_LIMITED */
  takeFromNetwork(network: string, weight: number): void {
    refuseAfter(this.#networks.of(network).take(weight, this.#clock.monotonic()), 'address_rate');
  }

  /** Charges a rejected token to its network. */
  failed(network: string): void {
    this.#networks.of(network).charge(FAILURE_WEIGHT, this.#clock.monotonic());
  }

  /**
   * Refuses to verify a proof's signature for this session after too many forged proofs from the same network. Only forged ones
   * count, so only a caller of the same network can block the holder of the key.
   * @throws ERR_RATE_LIMITED
   */
  admitProof(sessionId: string, network: string): void {
    const bucket = this.#forgeries.find(`${sessionId} ${network}`);
    if (bucket !== undefined) refuseAfter(bucket.wait(1, this.#clock.monotonic()), 'proof_rate');
  }

  forged(sessionId: string, network: string): void {
    const bucket = this.#forgeries.of(`${sessionId} ${network}`);
    bucket.charge(FAILURE_WEIGHT, this.#clock.monotonic());
  }

  /**
   * Refuses a login of an account that logged in too often. Only successful logins count, so a caller cannot block an account by
   * claiming its name.
   * @throws ERR_RATE_LIMITED
   */
  admitLogin(account: string): void {
    refuseAfter(this.#logins.of(account).wait(1, this.#clock.monotonic()), 'login_rate');
  }

  /**
   * The error that a known caller gets: ERR_RATE_LIMITED once its denials exceed their rate. It is checked after the decision, so it blocks
   * no allowed request and costs such a request nothing.
   */
  answered(identity: string, error: BrokerError): BrokerError {
    if (!DENIALS.includes(error.kind)) return error;
    const retryAfterSeconds = this.#denials.of(identity).take(1, this.#clock.monotonic());
    if (retryAfterSeconds === 0) return error;
    return new BrokerError('ERR_RATE_LIMITED', undefined, {
      reason: 'denial_rate',
      retryAfterSeconds,
    });
  }

  loggedIn(account: string): void {
    this.#logins.of(account).charge(1, this.#clock.monotonic());
  }
}

/** A pod may take half of the lower half of its workload's burst at once, and after that half of the refill. */
function podRate(ofWorkload: Rate): Rate {
  return {
    get perSecond() {
      return ofWorkload.perSecond / 2;
    },
    get burst() {
      return Math.max(1, Math.floor(ofWorkload.burst / 4));
    },
  };
}

function refuseAfter(retryAfterSeconds: number, reason: string): void {
  if (retryAfterSeconds === 0) return;
  throw new BrokerError('ERR_RATE_LIMITED', undefined, { reason, retryAfterSeconds });
}
