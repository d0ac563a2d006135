import { sha256Hex } from '../../crypto/hashes/digest.ts';
import { randomBytes } from '../../crypto/random/random.ts';
import type { Clock } from '../../ports/clock.ts';

const LIFETIME_MS = 60_000;

/** A code that opens the console once, within a minute. Development mode prints it in a link. Memory keeps the newest code only. */
export class OneTimeCode {
  readonly #clock: Pick<Clock, 'monotonic'>;
  #waiting: { readonly hash: string; readonly token: string; readonly until: number } | undefined;

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.#clock = clock;
  }

  /** @returns a code for the operator token; the code before it no longer works. */
  create(token: string): string {
    const code = randomBytes(32).toString('base64url');
    this.#waiting = { hash: sha256Hex(code), token, until: this.#clock.monotonic() + LIFETIME_MS };
    return code;
  }

  /** The token of the code, once. */
  take(code: string): string | undefined {
    const waiting = this.#waiting;
    if (waiting === undefined || waiting.hash !== sha256Hex(code)) return undefined;
    this.#waiting = undefined;
    return waiting.until >= this.#clock.monotonic() ? waiting.token : undefined;
  }
}
