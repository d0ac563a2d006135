import type { Worker } from 'node:worker_threads';
import { serveTasks, startTaskThread } from '../../broker/kernel/serve-tasks.ts';
import { readPushed } from '../../broker/kernel/read-pushed.ts';
import { packReport, parsePushedReport, type PackedReport } from './pack-report.ts';

const KIND = 'quaymaster-reports';
/** Kubernetes stores no larger object. */
const MOST_WATCHED_BYTES = 2 * 1_048_576;

/** Work of the thread: the body of a push, or a report of a watch. */
export type ReportTask = { readonly pushed: Uint8Array } | { readonly watched: string };

/** A pushed report, and the digests that its sender names. */
export interface ReadReport {
  readonly report: PackedReport;
  readonly image: readonly string[];
}

export type ReportResult = ReadReport | PackedReport | undefined;

export function startReportThread(): Worker {
  return startTaskThread(import.meta.url, KIND);
}

function perform(task: ReportTask): ReportResult | Promise<ReportResult> {
  if ('pushed' in task) {
    return readPushed(task.pushed, (value) => {
      const pushed = parsePushedReport(value);
      return { report: packReport(pushed), image: pushed.image };
    });
  }
  const { watched: text } = task;
  return packReport({ text, format: 'trivy-operator', image: [], maxBytes: MOST_WATCHED_BYTES });
}

serveTasks(KIND, perform);
