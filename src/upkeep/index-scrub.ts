import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import { RepeatedWork } from '../ports/repeated-work.ts';
import type { TableName } from '../ports/store.ts';
import type { IndexCheck, IndexSlice } from '../store/opened-store.ts';
import type { RowGuard } from '../store/guard/row-guard.ts';

const FIRST_MS = 5_000;
/** Pause between two slices, each of which takes about a millisecond. */
const PAUSE_MS = 25;
/** Tables whose rows are proven on reading, or built from the log. If their indexes are damaged, searches miss entries, and nothing else depends on them. */
const LOG_TABLES: ReadonlySet<string> = new Set([
  'audit_batches',
  'audit_segments',
  'log_segments',
  'log_terms',
  'log_reads',
]);

interface IndexScrubDeps {
  readonly check: IndexCheck | undefined;
  readonly guard: RowGuard;
  readonly clock: Clock;
  readonly log: Log;
  /** Pause from the end of one walk to the start of the next. */
  readonly intervalMs: number;
}

export interface IndexScrubStatus {
  /** Rows that the walk in progress, or the last one, has looked up by all their indexes. */
  readonly rows: number;
  /** Milliseconds since the epoch of the end of the last complete walk. */
  readonly completedAt: number | undefined;
  /** The last complete walk, or the one in progress, found a damaged index of the audit log. */
  readonly isLogDamaged: boolean;
}

/** Checks all indexes of the store after the start and then at intervals. A damaged index of rows that grant something holds the store. */
export class IndexScrub {
  readonly #deps: IndexScrubDeps;
  readonly #work: RepeatedWork;
  #status: IndexScrubStatus = { rows: 0, completedAt: undefined, isLogDamaged: false };

  constructor(deps: IndexScrubDeps) {
    const { check, clock, log, intervalMs } = deps;
    this.#deps = deps;
    this.#work = new RepeatedWork({
      clock,
      run: async () => {
        if (check === undefined) return undefined;
        await this.#walk(check);
        return intervalMs;
      },
      onError: (error) => {
        log.warn({ err: error }, 'the indexes of the store could not be checked; retrying');
        return intervalMs;
      },
    });
  }

  status(): IndexScrubStatus {
    return this.#status;
  }

  start(): void {
    this.#work.startAfter(FIRST_MS);
  }

  /** Waits for the slice in progress. */
  async close(): Promise<void> {
    await this.#work.stop();
  }

  async #walk(check: IndexCheck): Promise<void> {
    const { clock } = this.#deps;
    let isLogDamaged = false;
    let rows = 0;
    check.begin();
    for (let slice = check.next(); slice !== undefined; slice = check.next()) {
      rows += slice.rows;
      if (this.#report(slice)) isLogDamaged = true;
      this.#status = {
        ...this.#status,
        rows,
        isLogDamaged: isLogDamaged || this.#status.isLogDamaged,
      };
      await clock.sleep(PAUSE_MS, this.#work.signal);
    }
    this.#status = { rows, completedAt: clock.now(), isLogDamaged };
  }

  /** @returns whether the audit log is affected. */
  #report({ table, damage }: IndexSlice): boolean {
    const { guard, log } = this.#deps;
    const isLog = LOG_TABLES.has(table) && damage.length > 0;
    for (const each of damage) {
      const what = `${table}: ${each}`;
      if (isLog)
        log.error({ what }, 'an index of the audit log is damaged; see docs/operations.md');
      else guard.hold({ reason: 'index_damaged', kind: table as TableName, what, count: 1 });
    }
    return isLog;
  }
}
