import type { Worker } from 'node:worker_threads';
import { serveTasks, startTaskThread } from '../kernel/serve-tasks.ts';
import { packReport, type PackedReport, type PushedReport } from './pack-report.ts';
import { summarizeEarlier, type PackedSection } from './report-summary.ts';
import type { EvidenceKind } from '../../domain/posture/evidence.ts';

const KIND = 'quaymaster-reports';
/** Kubernetes stores no larger object. */
const MOST_WATCHED_BYTES = 2 * 1_048_576;

/** Work of the thread: a report that was pushed, one of a watch, or a stored body of an earlier release. */
export type ReportTask =
  | { readonly pushed: PushedReport }
  | { readonly watched: string }
  | { readonly earlier: Uint8Array; readonly kind: EvidenceKind };

export type ReportResult = PackedReport | PackedSection | undefined;

export function startReportThread(): Worker {
  return startTaskThread(import.meta.url, KIND);
}

function perform(task: ReportTask): ReportResult {
  if ('pushed' in task) return packReport(task.pushed);
  if ('earlier' in task) return summarizeEarlier(task.earlier, task.kind);
  const { watched: text } = task;
  return packReport({ text, format: 'trivy-operator', image: [], maxBytes: MOST_WATCHED_BYTES });
}

serveTasks(KIND, perform);
