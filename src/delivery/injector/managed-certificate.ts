import { generateKeyPair } from '../../crypto/key-pair.ts';
import { doubledDelay } from '../../ports/backoff.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Log } from '../../ports/log.ts';
import { COMMON_NAME_PREFIX, withCertificates } from './ca-bundle.ts';
import type { WebhookConfiguration } from './webhook-configuration.ts';

const DAY = 86_400_000;
const LIFETIME = 7 * DAY;
/** A common name has 64 characters at most (RFC 5280); what differs between pods stands at the end of their names. */
const LONGEST_OWNER = 64 - COMMON_NAME_PREFIX.length;
/** Clocks differ. */
const BACKDATED = 300_000;
const LOOK_MS = 10_000;
/** The first pause after a look that failed; doubled up to that between looks. */
const RETRY_MS = 500;
/** For how long the first entry is worth waiting for. */
const PATIENCE_MS = 30_000;
/** Every API server must have heard of a certificate before it meets it. */
const SPREAD_MS = 60_000;

interface Made {
  readonly cert: string;
  readonly key: string;
  /** When a new one is made: at two thirds. */
  readonly renewAt: number;
}

/** When things happen, milliseconds; shorter in tests. */
export interface CertificateTimes {
  readonly lifetime: number;
  readonly look: number;
  readonly spread: number;
}

const TIMES: CertificateTimes = { lifetime: LIFETIME, look: LOOK_MS, spread: SPREAD_MS };

export interface ManagedCertificateParts {
  readonly configuration: WebhookConfiguration;
  readonly dnsNames: readonly string[];
  /** Tells this broker from others of the installation, and is the same after its restart: pod and port. */
  readonly owner: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Called with each certificate that is to be presented from now on. */
  readonly present: (certificate: { readonly cert: string; readonly key: string }) => void;
  readonly times?: CertificateTimes;
}

/**
 * A certificate that this process signs for itself and alone holds the key of, and its place in the webhook configuration's `caBundle`:
 * the API server trusts it as it is. Looked after every ten seconds, and sooner after a look that failed, so that an entry which somebody
 * took away comes back. At two thirds of its life the next one is made and entered, and presented a minute later: at every moment what is
 * presented is in the bundle.
 */
export class ManagedCertificate {
  readonly #parts: ManagedCertificateParts;
  readonly #times: CertificateTimes;
  readonly #owner: string;
  #current: Made;
  #next: { readonly made: Made; enteredAt?: number } | undefined;
  #cancel: (() => void) | undefined;
  #turn: Promise<void> = Promise.resolve();
  #failures = 0;
  #isEntered = false;
  #startedAt: number | undefined;
  readonly #closed = new AbortController();

  private constructor(parts: ManagedCertificateParts, owner: string, first: Made) {
    this.#parts = parts;
    this.#times = parts.times ?? TIMES;
    this.#owner = owner;
    this.#current = first;
  }

  static async make(parts: ManagedCertificateParts): Promise<ManagedCertificate> {
    const owner = `${COMMON_NAME_PREFIX}${parts.owner.slice(-LONGEST_OWNER)}`;
    return new ManagedCertificate(parts, owner, await make(parts, owner));
  }

  get current(): { readonly cert: string; readonly key: string } {
    return this.#current;
  }

  /** Whether the webhook configuration held it at the last look. */
  get isEntered(): boolean {
    return this.#isEntered;
  }

  /**
   * Until it was entered for the first time, for half a minute at most: who is sent reviews before that refuses pods, and an API server that is
   * away for longer is no reason to keep secrets from anybody.
   */
  get isAwaited(): boolean {
    if (this.#isEntered || this.#startedAt === undefined) return false;
    return this.#parts.clock.monotonic() - this.#startedAt < PATIENCE_MS;
  }

  /** Looks after it from now on; resolves after the first look, whether that succeeded or not. */
  async start(): Promise<void> {
    this.#startedAt = this.#parts.clock.monotonic();
    await this.#look();
  }

  /** Gives up a look that is under way: the next process looks anew. */
  async close(): Promise<void> {
    this.#closed.abort();
    this.#cancel?.();
    await this.#turn;
  }

  #look(): Promise<void> {
    this.#turn = this.#tend().then(() => {
      if (this.#closed.signal.aborted) return;
      this.#cancel = this.#parts.clock.after(this.#pause(), () => void this.#look());
    });
    return this.#turn;
  }

  #pause(): number {
    const { look } = this.#times;
    return this.#failures === 0 ? look : doubledDelay(RETRY_MS, look, this.#failures - 1);
  }

  async #tend(): Promise<void> {
    const { clock, log, configuration } = this.#parts;
    try {
      this.#switch();
      if (this.#next === undefined && clock.now() >= this.#current.renewAt) {
        this.#next = { made: await make(this.#parts, this.#owner) };
      }
      const own = [this.#current, ...(this.#next === undefined ? [] : [this.#next.made])];
      const certificates = own.map(({ cert }) => cert);
      const at = { owner: this.#owner, now: clock.now() };
      const isWritten = await configuration.changeBundles(
        (bundle) => withCertificates(bundle, certificates, at),
        this.#closed.signal,
      );
      if (isWritten)
        log.info({ certificates: own.length }, 'the webhook configuration has our certificate');
      if (this.#next !== undefined) this.#next.enteredAt ??= clock.monotonic();
      this.#failures = 0;
      this.#isEntered = true;
      this.#startedAt = undefined;
    } catch (error) {
      if (this.#closed.signal.aborted) return;
      if (this.#failures === 0) {
        log.error(
          { err: error },
          'the certificate could not be entered into the webhook configuration; until it is, no pod can be injected',
        );
      }
      this.#failures += 1;
      this.#isEntered = false;
    }
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

/** What writes certificates is loaded here, and not by brokers that have theirs from files. */
async function make(parts: ManagedCertificateParts, owner: string): Promise<Made> {
  const { clock, dnsNames, times = TIMES } = parts;
  const { selfSigned } = await import('../../crypto/self-signed.ts');
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
