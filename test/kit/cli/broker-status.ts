import type { components } from '../../../src/client/index.ts';

/** The time of the context that tests give to verbs. */
const NOW = '2026-01-05T10:00:00.000Z';

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
  return {
    time: NOW,
    lastBackupAt: NOW,
    clockAheadSeconds: 0,
    backups: 'scheduled',
    log,
    liveLeases: 2,
  };
}
