import { BrokerError } from '../../domain/errors.ts';
import type { Clock } from '../../ports/clock.ts';
import { FairBulkhead } from '../../ports/fair-bulkhead.ts';
import { Buckets } from '../kernel/token-bucket.ts';
import { objectKey, type ClusterObject } from './cluster-object.ts';

/** Namespaces in which something is copied at the same time. Each copy waits for a commit and for the API server. */
const AT_ONCE = 8;
/** Copies of each namespace; each may write a status to the API server. A complete list of a large namespace is a burst. */
const COPIES = { perSecond: 5, burst: 1_000 };
/** Limit of what waits in a namespace. Objects beyond it are seen again in the next complete list. */
const MOST_WAITING = { objects: 1_000, bytes: 8 * 1_048_576 };
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

/**
 * Changes of custom resources, in one queue for each namespace: a namespace that changes its objects without pause delays no other
 * one. Only the newest state of an object waits. In a namespace one change runs after another, so that an older state never
 * overwrites a newer one; deletions come first.
 */
export class NamespaceQueues {
  readonly #clock: Pick<Clock, 'monotonic' | 'after'>;
  readonly #copy: (waiting: WaitingObject) => Promise<void>;
  readonly #rates: Buckets;
  readonly #lanes = new Map<string, Lane>();
  readonly #places = new FairBulkhead(AT_ONCE, Infinity, () => new BrokerError('ERR_BUSY'));
  readonly #running = new Set<Promise<void>>();

  /** @param copy does not fail */
  constructor(clock: Clock, copy: (waiting: WaitingObject) => Promise<void>) {
    this.#clock = clock;
    this.#copy = copy;
    this.#rates = new Buckets(clock, COPIES);
  }

  /** Keeps the state of an object until its turn, in place of an earlier one. @returns false if too many wait in its namespace */
  put({ object, attempts }: WaitingObject): boolean {
    const lane = this.#lane(object.namespace);
    this.#remove(lane, objectKey(object));
    const bytes = Buffer.byteLength(JSON.stringify(object.spec ?? null));
    const isFull =
      lane.waiting.size >= MOST_WAITING.objects || lane.bytes + bytes > MOST_WAITING.bytes;
    if (isFull) return false;
    lane.waiting.set(objectKey(object), { object, attempts, bytes });
    lane.bytes += bytes;
    this.#start(object.namespace, lane);
    return true;
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
      lane.waiting.clear();
      lane.bytes = 0;
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

  #remove(lane: Lane, key: string): void {
    lane.bytes -= lane.waiting.get(key)?.bytes ?? 0;
    lane.waiting.delete(key);
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
    await this.#copy(waiting);
  }
}
