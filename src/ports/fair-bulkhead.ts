import type { BrokerError } from '../domain/errors.ts';

interface Waiting {
  readonly start: () => void;
  readonly refuse: (reason: unknown) => void;
}

/**
 * Concurrent calls of one resource, such as a connection, shared fairly among callers. A free slot goes to the waiting caller with the fewest calls in progress, in turn
 * among equals: a caller with more than its share gets another slot only if no caller with fewer calls waits. A full queue takes the call of a caller with
 * fewer waiting, in place of the newest call of the caller with the most.
 */
export class FairBulkhead {
  readonly #places: number;
  readonly #queueLength: number;
  readonly #full: () => BrokerError;
  /** Calls in progress by caller. */
  readonly #running = new Map<string, number>();
  /** Waiting calls of each caller, in the order of their turns; a caller without a waiting call has no row. */
  readonly #queues = new Map<string, Waiting[]>();
  #inFlight = 0;
  #queued = 0;

  /** @param full makes the error of a call for which the queue has no room */
  constructor(places: number, queueLength: number, full: () => BrokerError) {
    this.#places = places;
    this.#queueLength = queueLength;
    this.#full = full;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  get queued(): number {
    return this.#queued;
  }

  /** Reports whether a call of this caller would run or wait now, and not be refused. */
  hasRoom(caller: string): boolean {
    if (this.#queued < this.#queueLength) return true;
    const own = this.#queues.get(caller)?.length ?? 0;
    return [...this.#queues.values()].some(({ length }) => length >= own + 2);
  }

  /** @throws the error of a full queue, and the reason of `signal` when it aborts while the call waits. */
  async run<T>(caller: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    if (this.#inFlight < this.#places) this.#take(caller);
    else await this.#wait(caller, signal);
    try {
      return await work();
    } finally {
      this.#leave(caller);
    }
  }

  async #wait(caller: string, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#queued >= this.#queueLength) this.#makeRoom(caller);
    const { promise, resolve, reject } = Promise.withResolvers<undefined>();
    const waiting: Waiting = { start: () => resolve(undefined), refuse: reject };
    const giveUp = (): void => {
      this.#remove(caller, waiting);
      reject(signal.reason as BrokerError);
    };
    const own = this.#queues.get(caller);
    if (own === undefined) this.#queues.set(caller, [waiting]);
    else own.push(waiting);
    this.#queued += 1;
    signal.addEventListener('abort', giveUp, { once: true });
    try {
      await promise;
    } finally {
      signal.removeEventListener('abort', giveUp);
    }
  }

  #take(caller: string): void {
    this.#inFlight += 1;
    this.#running.set(caller, (this.#running.get(caller) ?? 0) + 1);
  }

  #leave(caller: string): void {
    this.#inFlight -= 1;
    const left = (this.#running.get(caller) ?? 1) - 1;
    if (left === 0) this.#running.delete(caller);
    else this.#running.set(caller, left);
    this.#startNext();
  }

  #startNext(): void {
    let next: string | undefined;
    let fewest = Number.POSITIVE_INFINITY;
    for (const caller of this.#queues.keys()) {
      const running = this.#running.get(caller) ?? 0;
      if (running >= fewest) continue;
      [next, fewest] = [caller, running];
    }
    const queue = next === undefined ? undefined : this.#queues.get(next);
    const waiting = queue?.shift();
    if (next === undefined || queue === undefined || waiting === undefined) return;
    this.#queued -= 1;
    // Its next turn is after those of all others.
    this.#queues.delete(next);
    if (queue.length > 0) this.#queues.set(next, queue);
    this.#take(next);
    waiting.start();
  }

  /** @throws the error of a full queue when no other caller has at least two more waiting calls than this one. */
  #makeRoom(caller: string): void {
    let largest: Waiting[] = [];
    let holder = caller;
    for (const [other, queue] of this.#queues) {
      if (queue.length > largest.length) [holder, largest] = [other, queue];
    }
    const newest = largest.at(-1);
    const own = this.#queues.get(caller)?.length ?? 0;
    if (newest === undefined || largest.length < own + 2) throw this.#full();
    this.#remove(holder, newest);
    newest.refuse(this.#full());
  }

  #remove(caller: string, waiting: Waiting): void {
    const queue = this.#queues.get(caller);
    const place = queue?.indexOf(waiting) ?? -1;
    if (queue === undefined || place === -1) return;
    queue.splice(place, 1);
    this.#queued -= 1;
    if (queue.length === 0) this.#queues.delete(caller);
  }
}
