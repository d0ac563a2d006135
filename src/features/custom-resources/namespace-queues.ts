import { BrokerError } from '../../domain/errors.ts';
import type { Clock } from '../../ports/clock.ts';
import { FairBulkhead } from '../../ports/fair-bulkhead.ts';
import { Buckets } from '../../broker/kernel/token-bucket.ts';
import { objectKey, type ClusterObject } from './cluster-object.ts';

/** Namespaces in which something is copied at the same time. Each copy waits for a commit and for the API server. */
const AT_ONCE = 8;
/** Copies of each namespace; each may write a status to the API server. A complete list of a large namespace is a burst. */
const COPIES = { perSecond: 5, burst: 1_000 };
/** Limits of what waits. Objects beyond them are postponed to the next complete list. */
const MOST_OF_NAMESPACE = { objects: 1_000, bytes: 8 * 1_048_576 };
const MOST_WAITING = { objects: 10_000, bytes: 32 * 1_048_576 };
const FOREVER = new AbortController().signal;

/** The newest state of an object, which waits for its turn. */
export interface WaitingObject {
  readonly object: ClusterObject;
  /** Attempts before this one. */
  readonly attempts: number;
}

interface Lane {
  readonly waiting: Map<string, WaitingObject & { readonly bytes: number }>;
  readonly urgent: (() => Promise<void>)[];
  bytes: number;
  isRunning: boolean;
  /** True until its namespace may copy again. */
  isPaused: boolean;
}

interface QueuedWork {
  /** Copies the state of an object. It does not fail. */
  copy(waiting: WaitingObject): Promise<void>;
  /** Takes an object whose state is not kept. */
  postpone(object: ClusterObject): void;
}

/**
 * Changes of custom resources, in one queue for each namespace: a namespace that changes its objects without pause delays no other
 * one. Only the newest state of an object waits. In a namespace one change runs after another, so that an older state never
 * overwrites a newer one; deletions come first. A state for which there is no space is postponed: that of the namespace with the most.
 */
export class NamespaceQueues {
  readonly #clock: Pick<Clock, 'monotonic' | 'after'>;
  readonly #work: QueuedWork;
  readonly #rates: Buckets;
  readonly #lanes = new Map<string, Lane>();
  readonly #places = new FairBulkhead(AT_ONCE, Infinity, () => new BrokerError('ERR_BUSY'));
  readonly #running = new Set<Promise<void>>();
  #objects = 0;
  #bytes = 0;

  constructor(clock: Clock, work: QueuedWork) {
    this.#clock = clock;
    this.#work = work;
    this.#rates = new Buckets(clock, COPIES);
  }

  /** Keeps the state of an object until its turn, in place of an earlier one, or postpones it. */
  put({ object, attempts }: WaitingObject): void {
    const lane = this.#lane(object.namespace);
    const key = objectKey(object);
    this.#remove(lane, key);
    const bytes = Buffer.byteLength(JSON.stringify([object.spec ?? null, object.conditions]));
    if (!this.#makeRoom(lane, bytes)) {
      this.#work.postpone(object);
      if (!lane.isRunning && !lane.isPaused) this.#lanes.delete(object.namespace);
      return;
    }
    lane.waiting.set(key, { object, attempts, bytes });
    this.#count(lane, 1, bytes);
    this.#start(object.namespace, lane);
  }

  /** Reports whether a state of the object waits. */
  has(object: Parameters<typeof objectKey>[0]): boolean {
    return this.#lanes.get(object.namespace)?.waiting.has(objectKey(object)) === true;
  }

  /** Drops the state of an object that is gone. */
  drop(object: Parameters<typeof objectKey>[0]): void {
    const lane = this.#lanes.get(object.namespace);
    if (lane !== undefined) this.#remove(lane, objectKey(object));
  }

  /** Runs work in the next turn of its namespace, before the objects that wait. @throws the error of the work */
  inTurn(namespace: string, work: () => Promise<void>): Promise<void> {
    const lane = this.#lane(namespace);
    const { promise, resolve, reject } = Promise.withResolvers<undefined>();
    lane.urgent.push(() => work().then(() => resolve(undefined), reject));
    this.#start(namespace, lane);
    return promise;
  }

  /** Drops all states that wait. */
  clear(): void {
    for (const lane of this.#lanes.values()) {
      this.#count(lane, -lane.waiting.size, -lane.bytes);
      lane.waiting.clear();
    }
  }

  /** Waits for the changes that run now. */
  async idle(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  #lane(namespace: string): Lane {
    const known = this.#lanes.get(namespace);
    if (known !== undefined) return known;
    const lane: Lane = {
      waiting: new Map(),
      urgent: [],
      bytes: 0,
      isRunning: false,
      isPaused: false,
    };
    this.#lanes.set(namespace, lane);
    return lane;
  }

  #count(lane: Lane, objects: number, bytes: number): void {
    lane.bytes += bytes;
    this.#objects += objects;
    this.#bytes += bytes;
  }

  #remove(lane: Lane, key: string): void {
    const waiting = lane.waiting.get(key);
    if (waiting === undefined) return;
    lane.waiting.delete(key);
    this.#count(lane, -1, -waiting.bytes);
  }

  /** Makes room for one more object, at the cost of namespaces that have more. @returns false if there is none */
  #makeRoom(lane: Lane, bytes: number): boolean {
    const { waiting, bytes: own } = lane;
    if (waiting.size >= MOST_OF_NAMESPACE.objects || own + bytes > MOST_OF_NAMESPACE.bytes)
      return false;
    const needed = shareOf(waiting.size + 1, own + bytes);
    while (this.#objects >= MOST_WAITING.objects || this.#bytes + bytes > MOST_WAITING.bytes) {
      const largest = this.#largest();
      const newest = largest && [...largest.waiting].at(-1);
      if (largest === undefined || newest === undefined) return false;
      if (shareOf(largest.waiting.size, largest.bytes) <= needed) return false;
      this.#remove(largest, newest[0]);
      this.#work.postpone(newest[1].object);
    }
    return true;
  }

  #largest(): Lane | undefined {
    let largest: Lane | undefined;
    let most = 0;
    for (const lane of this.#lanes.values()) {
      const share = shareOf(lane.waiting.size, lane.bytes);
      if (share > most) [largest, most] = [lane, share];
    }
    return largest;
  }

  #start(namespace: string, lane: Lane): void {
    if (lane.isRunning || (lane.isPaused && lane.urgent.length === 0)) return;
    lane.isRunning = true;
    const run = this.#run(namespace, lane).finally(() => this.#running.delete(run));
    this.#running.add(run);
  }

  async #run(namespace: string, lane: Lane): Promise<void> {
    while (lane.urgent.length > 0 || lane.waiting.size > 0) {
      if (lane.urgent.length === 0 && (lane.isPaused || this.#pauses(namespace, lane))) {
        lane.isRunning = false;
        return;
      }
      await this.#places.run(namespace, FOREVER, () => this.#next(lane));
    }
    lane.isRunning = false;
    this.#lanes.delete(namespace);
  }

  /** Reports whether the namespace must wait before its next copy, and continues then. */
  #pauses(namespace: string, lane: Lane): boolean {
    const seconds = this.#rates.of(namespace).take(1, this.#clock.monotonic());
    if (seconds === 0) return false;
    lane.isPaused = true;
    this.#clock.after(seconds * 1_000, () => {
      lane.isPaused = false;
      this.#start(namespace, lane);
    });
    return true;
  }

  async #next(lane: Lane): Promise<void> {
    const urgent = lane.urgent.shift();
    if (urgent !== undefined) return urgent();
    const [first] = lane.waiting;
    if (first === undefined) return;
    const [key, waiting] = first;
    this.#remove(lane, key);
    await this.#work.copy(waiting);
  }
}

/** The part of all space that a namespace has. */
function shareOf(objects: number, bytes: number): number {
  return Math.max(objects / MOST_WAITING.objects, bytes / MOST_WAITING.bytes);
}
