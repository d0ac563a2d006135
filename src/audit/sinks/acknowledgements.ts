import { BrokerError } from '../../domain/errors.ts';
import type { Clock } from '../../ports/clock.ts';
import { LOG } from '../../ports/queries.ts';
import type { RequiredReceivers } from '../../ports/required-receivers.ts';
import type { Store } from '../../ports/store.ts';
import { parsePosition } from '../records/entry.ts';
import type { Follower } from './follower.ts';
import type { LocalBatches } from '../records/local-batches.ts';
import type { SinkCursors } from './sink-cursor.ts';

/** Most waiting requests: each holds its response in memory. */
const MOST_WAITING = 4_096;
/** Pause before polling again a sink that did not progress: it fails, or another broker delivers to it. */
const PAUSE_MS = 100;
/** Most commits of this process that another broker may not have delivered yet. */
const MOST_SEGMENTS = 1_024;

export interface AcknowledgementOptions {
  /** The batches that this process commits, and its name in their entries. */
  readonly localBatches: LocalBatches;
  readonly writer: string;
  /** Appends to the tree what this process committed before the call. */
  readonly append: () => Promise<void>;
  readonly store: Pick<Store, 'list'>;
  readonly cursors: Pick<SinkCursors, 'read'>;
  /** Entries in the tree of the last checkpoint. */
  readonly size: () => Promise<number>;
  readonly clock: Clock;
}

export interface AcknowledgementStatus {
  readonly waiting: number;
  readonly acknowledged: number;
  readonly unacknowledged: number;
}

type RequiredFollower = Pick<Follower, 'name' | 'deliver'>;

interface Waiter {
  /** Sequence number of this process. */
  readonly target: number;
  readonly settle: (error?: BrokerError) => void;
}

/**
 * Makes responses wait until sinks with `mustAcknowledge` have their entries. All requests that wait share the next delivery: while one is in
 * progress, new requests collect for the one after it.
 */
export class Acknowledgements implements RequiredReceivers {
  readonly #options: AcknowledgementOptions;
  #committed = 0;
  #required: readonly RequiredFollower[] = [];
  #withinMs = 0;
  /** Last entry of this process that each sink has, by the name of the sink. It stays true when a reload replaces the follower. */
  readonly #has = new Map<string, number>();
  /** Waiting requests in the order of their targets. */
  #waiters: Waiter[] = [];
  #isDriving = false;
  #acknowledged = 0;
  #unacknowledged = 0;

  constructor(options: AcknowledgementOptions) {
    this.#options = options;
    options.localBatches.follow(({ row }) => (this.#committed = row.first_seq + row.count - 1));
  }

  get isRequired(): boolean {
    return this.#required.length > 0;
  }

  status(): AcknowledgementStatus {
    return {
      waiting: this.#waiters.length,
      acknowledged: this.#acknowledged,
      unacknowledged: this.#unacknowledged,
    };
  }

  /** Sets the sinks that must acknowledge. Requests that wait only for others continue. */
  require(required: readonly RequiredFollower[], withinMs: number): void {
    this.#required = required;
    this.#withinMs = withinMs;
    this.#settle();
  }

  /** A sink acknowledged these entries, which are in the order of the log. */
  delivered(sink: string, entries: readonly string[]): void {
    const { writer } = this.#options;
    const newest = entries.findLast((entry) => entry.startsWith(`{"writer":"${writer}",`));
    if (newest !== undefined) this.#take(sink, parsePosition(newest)?.seq ?? 0);
  }

  async waitForReceivers(): Promise<void> {
    const target = this.#committed;
    if (this.#reached() >= target) return;
    if (this.#waiters.length >= MOST_WAITING) throw this.#unsent('too many requests wait for it');
    const { promise, resolve, reject } = Promise.withResolvers<undefined>();
    const cancel = this.#options.clock.after(this.#withinMs, () => {
      this.#waiters = this.#waiters.filter((each) => each !== waiter);
      waiter.settle(this.#unsent(`it did not do so within ${this.#withinMs / 1_000} s`));
    });
    const waiter: Waiter = {
      target,
      settle(error) {
        cancel();
        if (error === undefined) resolve(undefined);
        else reject(error);
      },
    };
    this.#waiters.push(waiter);
    void this.#drive();
    await promise;
    this.#acknowledged += 1;
  }

  #unsent(why: string): BrokerError {
    this.#unacknowledged += 1;
    return new BrokerError(
      'ERR_AUDIT_UNACKNOWLEDGED',
      `the operation is done and in the audit log, but the answer is withheld: a required sink of the log must acknowledge the entry first, and ${why}`,
      { retryAfterSeconds: 1 },
    );
  }

  async #drive(): Promise<void> {
    if (this.#isDriving) return;
    this.#isDriving = true;
    while (this.#waiters.length > 0) {
      const before = this.#reached();
      await this.#options.append();
      await Promise.all(this.#required.map((follower) => follower.deliver()));
      // Its users report a failing store; here the requests wait until their time is over.
      if (this.#reached() === before) await this.#readCursors().catch(() => undefined);
      if (this.#reached() === before) await this.#options.clock.sleep(PAUSE_MS);
    }
    this.#isDriving = false;
  }

  /** Another broker delivers, or did until now: the cursors show its progress. */
  async #readCursors(): Promise<void> {
    const { cursors, store, writer, size } = this.#options;
    const segments = await store.list(LOG.lastSegmentOf(writer), { limit: MOST_SEGMENTS });
    for (const { name } of this.#required) {
      const { next } = await cursors.read(name, await size());
      const last = segments.find(({ first_index }) => first_index < next);
      if (last !== undefined)
        this.#take(name, last.first_seq + Math.min(last.count, next - last.first_index) - 1);
    }
  }

  #take(sink: string, seq: number): void {
    this.#has.set(sink, Math.max(seq, this.#has.get(sink) ?? 0));
    this.#settle();
  }

  /** The last entry of this process that all required sinks have. */
  #reached(): number {
    return Math.min(...this.#required.map(({ name }) => this.#has.get(name) ?? 0));
  }

  #settle(): void {
    const reached = this.#reached();
    const waiting = this.#waiters.findIndex(({ target }) => target > reached);
    const settled = this.#waiters.splice(0, waiting < 0 ? this.#waiters.length : waiting);
    for (const waiter of settled) waiter.settle();
  }
}
