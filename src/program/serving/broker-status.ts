import { readLogStatus } from '../../audit/status/log-status.ts';
import { LEASES } from '../../ports/queries.ts';
import type { BrokerStatus, CertificateStatus } from '../../ports/broker-status.ts';
import type { RunningBroker } from '../broker/broker.ts';

/** Reads what the metrics of a broker show of its log, leases and backups. */
export async function readBrokerStatus(
  { parts, trail, ...broker }: RunningBroker,
  certificates: readonly CertificateStatus[],
): Promise<BrokerStatus> {
  return {
    time: parts.clock.now(),
    clockAheadMs: broker.clockAheadMs(),
    backups: parts.whoseBackups,
    watchesDown: broker.clusters.watchesDown(),
    certificates,
    log: await readLogStatus(trail),
    failedArchiveRuns: parts.archives?.failures ?? 0,
    liveLeases: await parts.store.count(LEASES.live()),
    lastBackup: parts.backups?.last,
  };
}
