import type { Caller } from '../broker/call.ts';
import { BrokerError } from '../domain/errors.ts';
import type { HeldBytes } from '../net/listener/held-bytes.ts';
import type { Rates } from './rates.ts';

/** Bytes of a body that weigh as much as a read: copying and parsing so many costs about as much. */
const BYTES_OF_WEIGHT = 16_384;

/** Bytes that are held under a name. */
interface Place {
  readonly held: HeldBytes;
  readonly holder: string;
}

interface Sender {
  readonly bodies: Place;
  readonly answers: Place;
  readonly rates: Rates;
  /** Undefined where the operation needs no token. */
  readonly caller: Caller | undefined;
}

/** What one request takes of the memory and the rate of its sender, until it is answered. */
export class RequestShare {
  readonly #sender: Sender;
  #received = 0;
  #produced = 0;

  constructor(sender: Sender) {
    this.#sender = sender;
  }

  /** Bytes of the body that were admitted so far. */
  get received(): number {
    return this.#received;
  }

  /** Whether no more of an answer may be built now. */
  get isFull(): boolean {
    const { held, holder } = this.#sender.answers;
    return held.isFull(holder);
  }

  /** Takes bytes of the body, announced or arrived, before they are kept. @throws ERR_RATE_LIMITED */
  receive(bytes: number): void {
    const { bodies, rates, caller } = this.#sender;
    if (bytes === 0) return;
    if (!bodies.held.take(bodies.holder, bytes)) throw waiting('bodies_waiting');
    const weight = weightOf(this.#received + bytes) - weightOf(this.#received);
    this.#received += bytes;
    if (caller !== undefined && weight > 0) rates.takeFromCaller(caller, weight);
  }

  /** Counts bytes of an answer that is built piece by piece. */
  produce(bytes: number): void {
    const { held, holder } = this.#sender.answers;
    held.add(holder, bytes);
    this.#produced += bytes;
  }

  release(): void {
    const { bodies, answers } = this.#sender;
    if (this.#received > 0) bodies.held.release(bodies.holder, this.#received);
    if (this.#produced > 0) answers.held.release(answers.holder, this.#produced);
  }
}

/** The caller has too much under way: what it sends or what it was sent has to move first. */
export function waiting(reason: 'bodies_waiting' | 'answers_waiting'): BrokerError {
  return new BrokerError('ERR_RATE_LIMITED', undefined, { reason, retryAfterSeconds: 1 });
}

function weightOf(bytes: number): number {
  return Math.floor(bytes / BYTES_OF_WEIGHT);
}
