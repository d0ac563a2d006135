import type { Caller } from '../../broker/access/call.ts';
import { LiveSession } from '../../broker/state/session-memory.ts';
import { BrokerError } from '../../domain/errors.ts';
import type { HeldBytes } from '../../net/listener/held-bytes.ts';
import type { Exchange } from './exchange.ts';
import type { Surroundings } from './request-deps.ts';

/** The bytes of a body that weigh as much as one read, because copying and parsing them costs about as much. */
const BYTES_OF_WEIGHT = 16_384;

/** The memory and the rate that one request takes from its sender's share until it is answered. */
export class RequestShare {
  readonly #exchange: Exchange;
  readonly #surroundings: Surroundings;
  /** Caller; undefined if the operation needs no token. */
  readonly #caller: Caller | undefined;
  #received = 0;
  #produced = 0;

  constructor(surroundings: Surroundings, exchange: Exchange, caller: Caller | undefined) {
    this.#surroundings = surroundings;
    this.#exchange = exchange;
    this.#caller = caller;
  }

  /** Bytes of the body that were admitted so far. */
  get received(): number {
    return this.#received;
  }

  /** Tells whether the sender's share has no room for more of an answer. */
  get isFull(): boolean {
    return this.#answers.isFull(this.#exchange.holder);
  }

  /** Admits bytes of the body, announced or received, before they are kept. @throws ERR_RATE_LIMITED */
  receive(bytes: number): void {
    if (bytes === 0) return;
    if (!this.#bodies.take(this.#bodyHolder, bytes)) throw waiting('bodies_waiting');
    const weight = weightOf(this.#received + bytes) - weightOf(this.#received);
    this.#received += bytes;
    if (this.#caller !== undefined && weight > 0) {
      this.#surroundings.rates.takeFromCaller(this.#caller, weight);
    }
  }

  /** Counts bytes of an answer that is built item by item. */
  produce(bytes: number): void {
    this.#answers.add(this.#exchange.holder, bytes);
    this.#produced += bytes;
  }

  release(): void {
    if (this.#received > 0) this.#bodies.release(this.#bodyHolder, this.#received);
    if (this.#produced > 0) this.#answers.release(this.#exchange.holder, this.#produced);
  }

  get #answers(): HeldBytes {
    return this.#surroundings.shares.answersOf(this.#exchange);
  }

  get #bodies(): HeldBytes {
    return this.#surroundings.shares.bodiesOf(this.#exchange);
  }

  /**
   * Holder of the share for bodies: each pod of a workload with rights has its own, so that no pod blocks the renewals of the
   * others.
   */
  get #bodyHolder(): string {
    const { hasRights, holder } = this.#exchange;
    if (!hasRights || !(this.#caller instanceof LiveSession)) return holder;
    const { cluster, pod } = this.#caller.session.workload;
    return pod === undefined ? holder : `${cluster}/${pod.uid}`;
  }
}

/** The refusal of a caller with too many bytes in flight: it must finish its uploads or read its answers first. */
export function waiting(reason: 'bodies_waiting' | 'answers_waiting'): BrokerError {
  return new BrokerError('ERR_RATE_LIMITED', undefined, { reason, retryAfterSeconds: 1 });
}

function weightOf(bytes: number): number {
  return Math.floor(bytes / BYTES_OF_WEIGHT);
}
