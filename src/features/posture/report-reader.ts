import type { Clock } from '../../ports/clock.ts';
import type { FairBulkhead } from '../../ports/fair-bulkhead.ts';
import { TaskThread, type TaskCall } from '../../broker/kernel/task-thread.ts';
import type { PackedReport } from './pack-report.ts';
import type { ReadReport, ReportResult, ReportTask } from './report-thread.ts';

/** Reads reports in a thread with its own heap: a report of 1 MiB costs up to a second of processor time. */
export class ReportReader {
  readonly #thread: TaskThread<ReportTask, ReportResult>;

  constructor(clock: Pick<Clock, 'after'>, queue: FairBulkhead) {
    this.#thread = new TaskThread(clock, queue, async () => {
      const { startReportThread } = await import('./report-thread.ts');
      return startReportThread();
    });
  }

  /**
   * Reads the body of a push, whose memory the thread takes.
   * @throws ERR_BODY_INVALID with the position of the fault in the text; ERR_UNKNOWN_FIELD, ERR_BODY_TOO_LARGE, ERR_BUSY
   */
  read(call: TaskCall, pushed: Uint8Array<ArrayBuffer>): Promise<ReadReport> {
    return this.#thread.run(call, { pushed }, [pushed.buffer]) as Promise<ReadReport>;
  }

  /** Reads the JSON of a report that a watch read. @throws as `read` */
  readWatched(call: TaskCall, watched: string): Promise<PackedReport> {
    return this.#thread.run(call, { watched }) as Promise<PackedReport>;
  }

  /** @throws ERR_BUSY if `read` would now */
  requireRoom(call: Omit<TaskCall, 'signal'>): void {
    this.#thread.requireRoom(call);
  }

  close(): Promise<void> {
    return this.#thread.close();
  }
}
