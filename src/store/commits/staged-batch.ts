import type { BrokerError } from '../../domain/errors.ts';
import type { Change, Outcome, Plan } from '../../ports/store.ts';
import type { ChangeFeed } from './change-feed.ts';
import { fenceKeyOf, splitFenceKey } from './change-feed.ts';
import type { RowChange } from '../guard/row-guard.ts';

const STALE: Outcome = { status: 'stale' };
const COMMITTED: Outcome = { status: 'committed', seq: 0 };

/** The outcome of one transaction, plan by plan, before it is known to be durable. */
export class StagedBatch {
  /** One outcome per plan, in order. */
  readonly outcomes: (Outcome | BrokerError)[] = [];
  readonly bodies: string[] = [];
  readonly changes: Change[] = [];
  /** The changes of the plans to digested rows. */
  readonly rows: RowChange[] = [];
  readonly #invalidated: Set<string>;
  readonly #feed: ChangeFeed;
  readonly #now: number;
  #seq: number;

  /** `earlier` has the invalidations of batches that are written before this one and not durable yet. No decision can know them. */
  constructor(feed: ChangeFeed, now: number, earlier: readonly Change[] = []) {
    this.#feed = feed;
    this.#seq = earlier.at(-1)?.seq ?? feed.seq;
    this.#invalidated = new Set(earlier.map(fenceKeyOf));
    this.#now = now;
  }

  isStale(plan: Plan): boolean {
    if (plan.notAfter !== undefined && this.#now >= plan.notAfter) return true;
    const { decidedAt, reads } = plan;
    if (decidedAt === undefined || reads === undefined) return false;
    if (this.#feed.isInvalidated(reads, decidedAt)) return true;
    return this.#invalidated.size > 0 && reads.some((key) => this.#invalidated.has(key));
  }

  refuse(outcome: Outcome | BrokerError = STALE): void {
    this.outcomes.push(outcome);
  }

  /** The plan's checks passed and its writes ran. Its entries and invalidations join the batch. */
  accept(plan: Plan, rows: readonly RowChange[] = []): void {
    for (const row of rows) this.rows.push(row);
    for (const body of plan.entries ?? []) this.bodies.push(body);
    if (plan.invalidates === undefined || plan.invalidates.length === 0) {
      this.outcomes.push(COMMITTED);
      return;
    }
    for (const fenceKey of plan.invalidates) {
      this.#seq += 1;
      this.#invalidated.add(fenceKey);
      this.changes.push({ seq: this.#seq, ...splitFenceKey(fenceKey), at: this.#now });
    }
    this.outcomes.push({ status: 'committed', seq: this.#seq });
  }
}
