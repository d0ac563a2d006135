import type { Clock } from '../../ports/clock.ts';
import type { Log } from '../../ports/log.ts';
import { RepeatedWork } from '../../ports/repeated-work.ts';
import type { TableName } from '../../ports/store.ts';
import type { IndexCheck, IndexSlice } from '../../store/opened-store.ts';
import type { RowGuard } from '../../store/guard/row-guard.ts';

const FIRST_MS = 5_000;
/** Pause between two slices, each of which takes about a millisecond. */
const PAUSE_MS = 25;
/** Pause after a walk that failed. */
const RETRY_MS = 600_000;
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
  readonly guard: Pick<RowGuard, 'hold'>;
  readonly clock: Clock;
  readonly log: Log;
  /** Pause from the end of one complete walk to the start of the next. */
  readonly intervalMs: number;
}

export interface IndexScrubStatus {
  /** Rows that the walk in progress, or the last one, has looked up by all their indexes. */
  readonly rows: number;
  /** False if the store has no indexes of its own to check, as on PostgreSQL. */
  readonly isOffered: boolean;
  /** Milliseconds since the epoch of the end of the last complete walk. */
  readonly completedAt: number | undefined;
  /** The last complete walk, or the one in progress, found a damaged index of the audit log. */
  readonly isLogDamaged: boolean;
}

/** Checks all indexes of the store after the start and then at intervals. A damaged index of rows that grant something holds the store. */
export class IndexScrub {
  readonly #deps: IndexScrubDeps;
  readonly #work: RepeatedWork;
  #status: IndexScrubStatus;
  #hasFailed = false;
  /** Monotonic time of the end of the last complete walk, or of the start; undefined before. */
  #since: number | undefined;

  constructor(deps: IndexScrubDeps) {
    const { check, clock, log, intervalMs } = deps;
    this.#deps = deps;
    const isOffered = check !== undefined;
    this.#status = { rows: 0, isOffered, completedAt: undefined, isLogDamaged: false };
    this.#work = new RepeatedWork({
      clock,
      run: async () => {
        if (check === undefined) return undefined;
        await this.#walk(check);
        return intervalMs;
      },
      onError: (error) => {
        this.#hasFailed = true;
        log.warn(
          { err: error },
          'the indexes of the store could not be checked, so damage in them is not noticed; retrying in ten minutes',
        );
        return RETRY_MS;
      },
    });
  }

  status(): IndexScrubStatus {
    return this.#status;
  }

  /** Reasons for which the broker warns now. A walk that takes longer than the pause between walks is too slow to rely on. */
  warnings(): readonly string[] {
    const { clock, intervalMs } = this.#deps;
    const { isOffered, isLogDamaged } = this.#status;
    const now = clock.monotonic();
    const isLate = now - (this.#since ?? now) > 2 * intervalMs;
    return [
      ...(isLogDamaged ? ['audit_index_damaged'] : []),
      ...(isOffered && (this.#hasFailed || isLate) ? ['index_check_incomplete'] : []),
    ];
  }

  start(): void {
    this.#since = this.#deps.clock.monotonic();
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
    this.#status = { ...this.#status, rows, completedAt: clock.now(), isLogDamaged };
    this.#since = clock.monotonic();
    this.#hasFailed = false;
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
