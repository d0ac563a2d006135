import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import { RepeatedWork } from '../ports/repeated-work.ts';

const EVERY_MS = 60_000;

interface CertificateWatchDeps {
  readonly clock: Clock;
  readonly log: Log;
  /** Milliseconds since the epoch; 0 if the certificate cannot be read. */
  readonly expiresAt: () => number;
}

/** Notices that the certificate of the listener has expired, which otherwise only its clients see, and logs it once. */
export class CertificateWatch {
  readonly #deps: CertificateWatchDeps;
  readonly #work: RepeatedWork;
  #isLogged = false;

  constructor(deps: CertificateWatchDeps) {
    this.#deps = deps;
    this.#work = new RepeatedWork({
      clock: deps.clock,
      run: () => {
        this.#check();
        return Promise.resolve(EVERY_MS);
      },
      onError: () => EVERY_MS,
    });
  }

  start(): void {
    void this.#work.runNow();
  }

  stop(): Promise<void> {
    return this.#work.stop();
  }

  warnings(): readonly string[] {
    return this.#hasExpired ? ['certificate_expired'] : [];
  }

  get #hasExpired(): boolean {
    const at = this.#deps.expiresAt();
    return at > 0 && at <= this.#deps.clock.now();
  }

  #check(): void {
    const { log, expiresAt } = this.#deps;
    if (this.#hasExpired && !this.#isLogged)
      log.error({ expiredAt: new Date(expiresAt()).toISOString() }, EXPIRED);
    this.#isLogged = this.#hasExpired;
  }
}

const EXPIRED =
  'the certificate of the listener has expired, so clients refuse it: renew it; the broker reads the files again every minute';
