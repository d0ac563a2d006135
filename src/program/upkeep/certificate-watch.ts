import type { Clock } from '../../ports/clock.ts';
import type { Log } from '../../ports/log.ts';
import { RepeatedCheck } from './repeated-check.ts';

const EVERY_MS = 60_000;

interface CertificateWatchDeps {
  readonly clock: Clock;
  readonly log: Log;
  /** Milliseconds since the epoch; 0 if the certificate cannot be read. */
  readonly expiresAt: () => number;
}

/** Notices that the certificate of the listener has expired, which otherwise only its clients see, and logs it once. */
export class CertificateWatch extends RepeatedCheck {
  readonly #deps: CertificateWatchDeps;
  #isLogged = false;

  constructor(deps: CertificateWatchDeps) {
    super(deps.clock, EVERY_MS);
    this.#deps = deps;
  }

  override warnings(): readonly string[] {
    return this.#hasExpired ? ['certificate_expired'] : [];
  }

  get #hasExpired(): boolean {
    const at = this.#deps.expiresAt();
    return at > 0 && at <= this.#deps.clock.now();
  }

  protected override check(): void {
    const { log, expiresAt } = this.#deps;
    if (this.#hasExpired && !this.#isLogged)
      log.error({ expiredAt: new Date(expiresAt()).toISOString() }, EXPIRED);
    this.#isLogged = this.#hasExpired;
  }
}

const EXPIRED =
  'the certificate of the listener has expired, so clients refuse it: renew it; the broker reads the files again every minute';
