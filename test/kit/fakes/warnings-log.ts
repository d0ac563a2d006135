import type { ClusterLog, Log } from '../../../src/ports/log.ts';

/** A log of a cluster that passes its warnings on as they are written, without the names of the cluster and its connection. */
export function warningsLog(warn: Log['warn'] = () => undefined): ClusterLog {
  const log: Log = { warn, info: () => undefined, error: () => undefined };
  return log as ClusterLog;
}
