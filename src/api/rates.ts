import { identityOf, type Caller } from '../broker/call.ts';
import { LiveSession } from '../broker/sessions/session-memory.ts';
import { BrokerError, type ErrorKind } from '../domain/errors.ts';
import type { Clock } from '../ports/clock.ts';
import type { LimitsConfig } from './config.ts';
import { Buckets, MemberBucket, type Bucket, type Rate } from './token-bucket.ts';

/** What a token that is not accepted takes from its network, on top of having been looked at. */
const FAILURE_WEIGHT = 10;

/** Kinds of errors that count as denials of a caller. Not "not found": an operator who applies a thousand new documents asks for each. */
const DENIALS: readonly ErrorKind[] = ['denied', 'unauthenticated'];

/** How much callers may ask for: by who they are, and by the network they come from while that is not known. */
export class Rates {
  readonly #clock: Clock;
  readonly #identities: Buckets;
  readonly #pods: Buckets;
  readonly #networks: Buckets;
  readonly #logins: Buckets;
  readonly #denials: Buckets;
  readonly #forgeries: Buckets;
  readonly #bySession = new WeakMap<LiveSession, Bucket>();

  constructor(clock: Clock, limits: LimitsConfig) {
    this.#clock = clock;
    this.#identities = new Buckets(clock, limits.identityRate);
    this.#pods = new Buckets(clock, podRate(limits.identityRate));
    this.#networks = new Buckets(clock, limits.addressRate);
    this.#denials = new Buckets(clock, limits.denialRate);
    this.#logins = new Buckets(clock, limits.loginRate);
    this.#forgeries = new Buckets(clock, limits.addressRate);
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

  /** Counts what a request of the caller cost beyond its weight: the next ones wait for it. */
  chargeCaller(caller: Caller, weight: number): void {
    this.of(caller).charge(weight, this.#clock.monotonic());
  }

  /** @throws ERR_RATE_LIMITED */
  takeFromNetwork(network: string, weight: number): void {
    refuseAfter(this.#networks.of(network).take(weight, this.#clock.monotonic()), 'address_rate');
  }

  /** A token from this network was not accepted. */
  failed(network: string): void {
    this.#networks.of(network).charge(FAILURE_WEIGHT, this.#clock.monotonic());
  }

  /**
   * Whether the signature of a proof for this session is looked at: not while its network has shown too many that were forged. Only those
   * count, so that only a caller of the same network can keep the holder of the key out. @throws ERR_RATE_LIMITED
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
   * Whether the account that a token claims may log in now. Only logins that succeed count against it, so that nobody can keep
   * another one out by claiming to be it. @throws ERR_RATE_LIMITED
   */
  admitLogin(account: string): void {
    refuseAfter(this.#logins.of(account).wait(1, this.#clock.monotonic()), 'login_rate');
  }

  /**
   * What a known caller is answered for an error: to wait, once it is denied more often than its rate. Asked when the answer is known, so
   * that it keeps nobody from what is allowed and costs no request that is.
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

/** Of the lower half of its workload's burst a pod may take a half at once, and then half of what comes in. */
function podRate({ perSecond, burst }: Rate): Rate {
  return { perSecond: perSecond / 2, burst: Math.max(1, Math.floor(burst / 4)) };
}

function refuseAfter(retryAfterSeconds: number, reason: string): void {
  if (retryAfterSeconds === 0) return;
  throw new BrokerError('ERR_RATE_LIMITED', undefined, { reason, retryAfterSeconds });
}
