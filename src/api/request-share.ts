import type { Caller } from '../broker/call.ts';
import { BrokerError } from '../domain/errors.ts';
import type { HeldBytes } from '../listener/held-bytes.ts';
import type { Rates } from './rates.ts';

/** Bytes of a body that weigh as much as a read: copying and parsing so many costs about as much. */
const BYTES_OF_WEIGHT = 16_384;

interface Sender {
  readonly held: HeldBytes;
  readonly holder: string;
  readonly rates: Rates;
  /** Undefined where the operation needs no token. */
  readonly caller: Caller | undefined;
}

/** What one request takes of the memory and the rate of its sender, until it is answered. */
export class RequestShare {
  readonly #sender: Sender;
  #received = 0;
  #held = 0;

  constructor(sender: Sender) {
    this.#sender = sender;
  }

  /** Bytes of the body that were admitted so far. */
  get received(): number {
    return this.#received;
  }

  /** Whether no more of an answer may be built now. */
  get isFull(): boolean {
    const { held, holder } = this.#sender;
    return held.isFull(holder);
  }

  /** Takes bytes of the body, announced or arrived, before they are kept. @throws ERR_RATE_LIMITED */
  receive(bytes: number): void {
    const { held, holder, rates, caller } = this.#sender;
    if (bytes === 0) return;
    if (!held.take(holder, bytes)) throw waiting('bodies_waiting');
    this.#held += bytes;
    const weight = weightOf(this.#received + bytes) - weightOf(this.#received);
    this.#received += bytes;
    if (caller !== undefined && weight > 0) rates.takeFromCaller(caller, weight);
  }

  /** Counts bytes of an answer that is built piece by piece. */
  produce(bytes: number): void {
    const { held, holder } = this.#sender;
    held.add(holder, bytes);
    this.#held += bytes;
  }

  release(): void {
    const { held, holder } = this.#sender;
    if (this.#held > 0) held.release(holder, this.#held);
    this.#held = 0;
  }
}

/** The caller has too much under way: what it sends or what it was sent has to move first. */
export function waiting(reason: 'bodies_waiting' | 'answers_waiting'): BrokerError {
  return new BrokerError('ERR_RATE_LIMITED', undefined, { reason, retryAfterSeconds: 1 });
}

function weightOf(bytes: number): number {
  return Math.floor(bytes / BYTES_OF_WEIGHT);
}
