import type { components } from '../../../src/client/index.ts';

type LogStatus = components['schemas']['LogStatus'];

/** The answer of `readStatus`: a log with one sink and no fault, with these differences. */
export function brokerStatus(
  changes: Partial<LogStatus> = {},
): components['schemas']['BrokerStatus'] {
  const log: LogStatus = {
    entries: 42,
    brokenChains: 0,
    damagedEntries: 0,
    archivedEntries: 0,
    failedArchiveRuns: 0,
    sinks: [{ lag: 3, stopped: false, failing: false }],
    witnessedEntries: 0,
    unwitnessedSeconds: 0,
    witnesses: [],
    ...changes,
  };
  return { log, liveLeases: 2 };
}
