import { BrokerError } from '../domain/errors.ts';
import type { Outcome, Plan } from '../ports/store.ts';
import type { PlannedWrites } from './planned-writes.ts';

/** A plan that waits for the end of the loop turn, and its caller. */
export interface PendingPlan {
  readonly plan: Plan;
  readonly planned: PlannedWrites;
  readonly resolve: (outcome: Outcome) => void;
  readonly reject: (error: BrokerError) => void;
}

export interface CommitQueueBounds {
  /** Plans of one transaction. */
  readonly batch: number;
  /** Plans that wait. */
  readonly queue: number;
}

const BOUNDS: CommitQueueBounds = { batch: 1024, queue: 16_384 };

/** Gathers the plans of a loop turn and commits them together: measured ten times what a transaction per plan carries. */
export class CommitQueue {
  readonly #commit: (batch: readonly PendingPlan[]) => Promise<void> | undefined;
  readonly #bounds: CommitQueueBounds;
  #pending: PendingPlan[] = [];
  #isBusy = false;
  #idle: (() => void) | undefined;
  #isClosed = false;

  /** `commit` settles every plan of its batch and never fails; while its promise is pending the next batch waits. */
  constructor(
    commit: (batch: readonly PendingPlan[]) => Promise<void> | undefined,
    bounds: CommitQueueBounds = BOUNDS,
  ) {
    this.#commit = commit;
    this.#bounds = bounds;
  }

  /** @throws ERR_BUSY when too many wait, ERR_STORE_UNAVAILABLE after `close`. */
  push(plan: Plan, planned: PlannedWrites): Promise<Outcome> {
    if (this.#isClosed) return Promise.reject(new BrokerError('ERR_STORE_UNAVAILABLE'));
    if (this.#pending.length >= this.#bounds.queue)
      return Promise.reject(new BrokerError('ERR_BUSY'));
    return new Promise((resolve, reject) => {
      this.#pending.push({ plan, planned, resolve, reject });
      this.#schedule();
    });
  }

  /** Refuses what comes from now on; resolves when what waits has been settled. */
  close(): Promise<void> {
    this.#isClosed = true;
    if (!this.#isBusy) return Promise.resolve();
    return new Promise((resolve) => {
      this.#idle = resolve;
    });
  }

  #schedule(): void {
    if (this.#isBusy) return;
    this.#isBusy = true;
    setImmediate(() => this.#turn());
  }

  #turn(): void {
    const batch = this.#take();
    const done = this.#commit(batch);
    if (done === undefined) this.#next();
    else void done.then(() => this.#next());
  }

  #take(): readonly PendingPlan[] {
    if (this.#pending.length > this.#bounds.batch) {
      return this.#pending.splice(0, this.#bounds.batch);
    }
    const batch = this.#pending;
    this.#pending = [];
    return batch;
  }

  #next(): void {
    this.#isBusy = false;
    if (this.#pending.length > 0) this.#schedule();
    else this.#idle?.();
  }
}
