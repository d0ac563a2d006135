import { BrokerError } from '../../domain/errors.ts';
import type {
  AnsweredKey,
  Challenge,
  KeyAssertion,
  KeyRegistration,
  SecurityKeyVerifier,
} from '../../ports/people.ts';
import type { KeyCheck } from './security-key-thread.ts';

/** Algorithms ES256, EdDSA and RS256. */
const ALGORITHMS: readonly number[] = [-7, -8, -257];
/** Checks at a time, of different people. Each has a thread of its own with 30 MB. */
const MOST_CHECKS = 3;
const RETRY_SECONDS = 2;

/** Verifies answers of security keys with `@simplewebauthn/server`. */
export class SecurityKeyChecks implements SecurityKeyVerifier {
  readonly origin: string;
  readonly rpId: string;
  readonly algorithms = ALGORITHMS;
  readonly #running = new Set<string>();

  constructor(publicUrl: string) {
    const { origin, hostname } = new URL(publicUrl);
    this.origin = origin;
    this.rpId = hostname;
  }

  verifyRegistration(registration: KeyRegistration, challenge: Challenge): Promise<AnsweredKey> {
    return this.#check({ registration }, challenge);
  }

  verifyAssertion(
    assertion: KeyAssertion,
    challenge: Challenge,
    publicKey: string,
  ): Promise<AnsweredKey> {
    return this.#check({ assertion, publicKey }, challenge);
  }

  async #check(
    asked: Pick<KeyCheck, 'registration' | 'assertion' | 'publicKey'>,
    { text: challenge, person, signal }: Challenge,
  ): Promise<AnsweredKey> {
    if (this.#running.has(person) || this.#running.size >= MOST_CHECKS) {
      const detail = `${this.#running.size} answers of security keys are being checked; retry`;
      throw new BrokerError('ERR_BUSY', detail, { retryAfterSeconds: RETRY_SECONDS });
    }
    this.#running.add(person);
    try {
      const { origin, rpId, algorithms } = this;
      const { checkInThread } = await import('./security-key-thread.ts');
      const expected = { origin, rpId, algorithms, challenge };
      const check: KeyCheck = { kind: 'quaymaster-security-key', ...expected, ...asked };
      return await checkInThread(check, signal);
    } catch (cause) {
      signal.throwIfAborted();
      // The same answer for every problem; the log has the cause under the request id.
      throw new BrokerError('ERR_DENIED', REFUSED, {
        cause,
        reason: 'security_key',
        isDetailShown: true,
      });
    } finally {
      this.#running.delete(person);
    }
  }
}

const REFUSED = 'the answer of the security key is not valid; begin again';
