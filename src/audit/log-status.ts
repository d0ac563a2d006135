import type { LogStatus } from '../ports/broker-status.ts';
import type { MeasuredLog } from './audit-metrics.ts';

/** Reads the state of the log from the parts that its metrics read. */
export async function readLogStatus(log: MeasuredLog): Promise<LogStatus> {
  const { size, broken } = log.integrator.status();
  const { damaged, completedAt } = log.scrubber.status();
  const truncation = await log.reader.truncation();
  const witnessing = log.witnesses?.status();
  return {
    entries: size,
    brokenChains: broken.length,
    damagedEntries: damaged,
    checkedAt: completedAt,
    archivedEntries: truncation?.end ?? 0,
    archivedAt: truncation && Date.parse(truncation.time),
    sinks: log.sinks(),
    witnessedEntries: witnessing?.size ?? 0,
    unwitnessedMs: witnessing?.unwitnessedMs ?? 0,
    witnesses: (witnessing?.witnesses ?? []).map(({ name, fault, contradictions }) => ({
      name,
      isFailing: fault !== undefined,
      isContradicting: contradictions > 0,
    })),
  };
}
