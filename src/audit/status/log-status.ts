import type { LogStatus, SinkStatus } from '../../ports/broker-status.ts';
import type { MeasuredLog } from './audit-metrics.ts';
import { readLogSize } from './log-size.ts';

interface ShownLog extends MeasuredLog {
  /** The status of each sink with its lag, in the order of the configuration. */
  readSinks(): Promise<readonly SinkStatus[]>;
}

/** Reads the state of the log from the parts that its metrics read, and from the cursors of its sinks. */
export async function readLogStatus(log: ShownLog): Promise<LogStatus> {
  const { broken } = log.integrator.status();
  const { damaged, completedAt } = log.scrubber.status();
  const truncation = await log.reader.truncation();
  const witnessing = log.witnesses?.status();
  return {
    entries: await readLogSize(log),
    brokenChains: broken.length,
    damagedEntries: damaged,
    checkedAt: completedAt,
    archivedEntries: truncation?.end ?? 0,
    archivedAt: truncation && Date.parse(truncation.time),
    sinks: await log.readSinks(),
    witnessedEntries: witnessing?.size ?? 0,
    unwitnessedMs: witnessing?.unwitnessedMs ?? 0,
    witnesses: (witnessing?.witnesses ?? []).map(({ name, fault, contradictions }) => ({
      name,
      isFailing: fault !== undefined,
      isContradicting: contradictions > 0,
    })),
  };
}
