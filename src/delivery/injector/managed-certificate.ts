import { generateKeyPair } from '../../crypto/keys/key-pair.ts';
import { doubledDelay } from '../../ports/backoff.ts';
import type { Clock } from '../../ports/clock.ts';
import type { ClusterLog } from '../../ports/log.ts';
import { RepeatedWork } from '../../ports/repeated-work.ts';
import { COMMON_NAME_PREFIX, withCertificates } from './ca-bundle.ts';
import type { WebhookConfiguration } from './webhook-configuration.ts';

const DAY = 86_400_000;
const LIFETIME = 7 * DAY;
/** A common name has at most 64 characters (RFC 5280). Pod names differ at their ends. */
const LONGEST_OWNER = 64 - COMMON_NAME_PREFIX.length;
/** Clocks differ. */
const BACKDATED = 300_000;
const CHECK_MS = 10_000;
/** The first delay after a failed check; doubles up to the usual interval. */
const RETRY_MS = 500;
/** Time between the first entry and readiness: API servers learn of the entry by a watch. */
const LEARN_MS = 5_000;
/** Time for which every API server must have had a certificate before it is presented. */
const SPREAD_MS = 60_000;

interface Made {
  readonly cert: string;
  readonly key: string;
  /** Time at which the next one is issued: at two thirds of its life. */
  readonly renewAt: number;
}

/** Intervals in milliseconds; shorter in tests. */
export interface CertificateTimes {
  readonly lifetime: number;
  readonly check: number;
  readonly learn: number;
  readonly spread: number;
}

const TIMES: CertificateTimes = {
  lifetime: LIFETIME,
  check: CHECK_MS,
  learn: LEARN_MS,
  spread: SPREAD_MS,
};

export interface ManagedCertificateParts {
  /** Webhook configurations, each of which is kept current. */
  readonly configurations: readonly Pick<WebhookConfiguration, 'changeBundles'>[];
  readonly dnsNames: readonly string[];
  /** Identifies this process in the installation, also after a restart: pod and port. */
  readonly owner: string;
  readonly clock: Clock;
  readonly log: ClusterLog;
  /** Presents a certificate from now on. */
  readonly present: (certificate: { readonly cert: string; readonly key: string }) => void;
  readonly times?: CertificateTimes;
}

/**
 * A self-signed certificate whose key only this process has, and its entry in the webhook configuration's `caBundle`, by which the API server trusts it.
 * The entry is checked every ten seconds, and sooner after a failure, so that a removed entry is restored. At two thirds of its life the next
 * certificate is issued and entered, and presented a minute later: the presented certificate is always in the bundle.
 */
export class ManagedCertificate {
  readonly #parts: ManagedCertificateParts;
  readonly #times: CertificateTimes;
  readonly #owner: string;
  readonly #work: RepeatedWork;
  #current: Made;
  #next: { readonly made: Made; enteredAt?: number } | undefined;
  #failures = 0;
  #isEntered = false;
  #firstEnteredAt: number | undefined;

  private constructor(parts: ManagedCertificateParts, owner: string, first: Made) {
    this.#parts = parts;
    this.#times = parts.times ?? TIMES;
    this.#owner = owner;
    this.#current = first;
    this.#work = new RepeatedWork({
      clock: parts.clock,
      run: async (signal) => {
        await this.#update(signal);
        return this.#times.check;
      },
      onError: (error) => this.#pauseAfter(error),
    });
  }

  static async make(parts: ManagedCertificateParts): Promise<ManagedCertificate> {
    const owner = `${COMMON_NAME_PREFIX}${parts.owner.slice(-LONGEST_OWNER)}`;
    return new ManagedCertificate(parts, owner, await make(parts, owner));
  }

  get current(): { readonly cert: string; readonly key: string } {
    return this.#current;
  }

  /** True if the webhook configuration contained it at the last check. */
  get isEntered(): boolean {
    return this.#isEntered;
  }

  /**
   * True until API servers know the first entry: until then they would reject the pods of reviews that they send here. A failed check later changes nothing
   * about that, because the entry stays in the object.
   */
  get isAwaited(): boolean {
    if (this.#firstEnteredAt === undefined) return true;
    return this.#parts.clock.monotonic() - this.#firstEnteredAt < this.#times.learn;
  }

  /** Starts the checks; resolves after the first one, successful or not. */
  async start(): Promise<void> {
    await this.#work.runNow();
  }

  /** Cancels a check in progress. */
  async close(): Promise<void> {
    await this.#work.stop();
  }

  async #update(signal: AbortSignal): Promise<void> {
    const { clock, log, configurations } = this.#parts;
    this.#switch();
    if (this.#next === undefined && clock.now() >= this.#current.renewAt) {
      this.#next = { made: await make(this.#parts, this.#owner) };
    }
    const own = [this.#current, ...(this.#next === undefined ? [] : [this.#next.made])];
    const certificates = own.map(({ cert }) => cert);
    const at = { owner: this.#owner, now: clock.now() };
    for (const configuration of configurations) {
      const isWritten = await configuration.changeBundles(
        (bundle) => withCertificates(bundle, certificates, at),
        signal,
      );
      if (isWritten)
        log.info(
          { certificates: own.length },
          'entered our certificate into the webhook configuration',
        );
    }
    if (this.#next !== undefined) this.#next.enteredAt ??= clock.monotonic();
    this.#failures = 0;
    this.#isEntered = true;
    this.#firstEnteredAt ??= clock.monotonic();
  }

  /** Records a failed check. @returns the pause before the next one */
  #pauseAfter(error: unknown): number {
    if (this.#failures === 0) {
      this.#parts.log.error(
        { err: error },
        'the certificate could not be entered into the webhook configuration; pods are rejected until it is',
      );
    }
    const pause = doubledDelay(RETRY_MS, this.#times.check, this.#failures);
    this.#failures += 1;
    this.#isEntered = false;
    return pause;
  }

  #switch(): void {
    const next = this.#next;
    if (next?.enteredAt === undefined) return;
    if (this.#parts.clock.monotonic() - next.enteredAt < this.#times.spread) return;
    this.#current = next.made;
    this.#next = undefined;
    this.#parts.present(next.made);
  }
}

/** The library for certificates is loaded here, and not by injectors that read theirs from files. */
async function make(parts: ManagedCertificateParts, owner: string): Promise<Made> {
  const { clock, dnsNames, times = TIMES } = parts;
  const { selfSigned } = await import('../../crypto/certificates/self-signed.ts');
  const pair = await generateKeyPair('ec-p256');
  const now = clock.now();
  const cert = selfSigned('ec-p256', pair, {
    commonName: owner,
    dnsNames,
    ipAddresses: [],
    notBefore: new Date(now - BACKDATED),
    notAfter: new Date(now + times.lifetime),
  });
  return { cert, key: pair.privateKey, renewAt: now + (times.lifetime * 2) / 3 };
}
