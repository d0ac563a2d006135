import { DurationTally } from '../../domain/time/duration-tally.ts';
import { BrokerError } from '../../domain/errors.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Outcome, Plan } from '../../ports/store.ts';
import type { PlannedWrites } from './planned-writes.ts';

/** A plan that waits for the end of the event-loop turn, with the promise of its caller. */
export interface PendingPlan {
  readonly plan: Plan;
  readonly planned: PlannedWrites;
  readonly resolve: (outcome: Outcome) => void;
  readonly reject: (error: BrokerError) => void;
}

export interface CommitQueueBounds {
  /** The maximum number of plans in one transaction. */
  readonly batch: number;
  /** The maximum number of waiting plans. */
  readonly queue: number;
  /** The maximum number of batches that were begun and are not durable. */
  readonly inFlight: number;
}

const BOUNDS: CommitQueueBounds = { batch: 1024, queue: 16_384, inFlight: 1 };

/** Collects the plans of an event-loop turn and commits them together. Measured: ten times the throughput of one transaction per plan. */
export class CommitQueue {
  /** The time of each batch, from its first statement until it is durable. */
  readonly durations = new DurationTally();
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #commit: (batch: readonly PendingPlan[]) => Promise<unknown> | undefined;
  readonly #bounds: CommitQueueBounds;
  #pending: PendingPlan[] = [];
  #isScheduled = false;
  #inFlight = 0;
  #idle: (() => void) | undefined;
  #isClosed = false;

  /** `commit` settles every plan of its batch and never rejects. Its batch is in flight while its promise is pending; undefined: it is settled. */
  constructor(
    commit: (batch: readonly PendingPlan[]) => Promise<unknown> | undefined,
    clock: Pick<Clock, 'monotonic'>,
    bounds: Partial<CommitQueueBounds> = {},
  ) {
    this.#clock = clock;
    this.#commit = commit;
    this.#bounds = { ...BOUNDS, ...bounds };
  }

  /** @throws ERR_BUSY if too many plans wait, ERR_STORE_UNAVAILABLE after `close`. */
  push(plan: Plan, planned: PlannedWrites): Promise<Outcome> {
    if (this.#isClosed) return Promise.reject(new BrokerError('ERR_STORE_UNAVAILABLE'));
    if (this.#pending.length >= this.#bounds.queue)
      return Promise.reject(new BrokerError('ERR_BUSY'));
    return new Promise((resolve, reject) => {
      this.#pending.push({ plan, planned, resolve, reject });
      this.#schedule();
    });
  }

  /** Refuses new plans, and resolves when all waiting plans are settled. */
  close(): Promise<void> {
    this.#isClosed = true;
    if (this.#isIdle) return Promise.resolve();
    return new Promise((resolve) => {
      this.#idle = resolve;
    });
  }

  get #isIdle(): boolean {
    return !this.#isScheduled && this.#inFlight === 0;
  }

  #schedule(): void {
    if (this.#isScheduled || this.#inFlight >= this.#bounds.inFlight) return;
    this.#isScheduled = true;
    setImmediate(() => this.#turn());
  }

  #turn(): void {
    const begun = this.#clock.monotonic();
    this.#isScheduled = false;
    this.#inFlight += 1;
    const done = this.#commit(this.#take());
    if (done === undefined) {
      this.#next(begun);
      return;
    }
    void done.then(() => this.#next(begun));
    if (this.#pending.length > 0) this.#schedule();
  }

  #take(): readonly PendingPlan[] {
    if (this.#pending.length > this.#bounds.batch) {
      return this.#pending.splice(0, this.#bounds.batch);
    }
    const batch = this.#pending;
    this.#pending = [];
    return batch;
  }

  #next(begun: number): void {
    this.durations.add(this.#clock.monotonic() - begun);
    this.#inFlight -= 1;
    if (this.#pending.length > 0) this.#schedule();
    else if (this.#isIdle) this.#idle?.();
  }
}
