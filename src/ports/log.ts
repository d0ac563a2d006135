import type { Peer } from '../domain/errors.ts';

/** The process log (pino in production). It is for operators and never serves as evidence. The adapter redacts fields. */
export interface Log {
  info(fields: Readonly<Record<string, unknown>>, message: string): void;
  warn(fields: Readonly<Record<string, unknown>>, message: string): void;
  error(fields: Readonly<Record<string, unknown>>, message: string): void;
}

declare const named: unique symbol;

/** A log whose lines all name their cluster. There may be hundreds, so a line without its cluster is of no use. */
export type ClusterLog = Log & { readonly [named]: true };

/** Makes the log of one cluster. Nothing else does, so the types show that no part of a cluster writes to another log. */
export function clusterLog(
  log: Log,
  { cluster, connection }: Peer & { readonly cluster: string },
): ClusterLog {
  const peer = { cluster, ...(connection !== undefined && { connection }) };
  const lines: Log = {
    info: (more, message) => log.info({ ...peer, ...more }, message),
    warn: (more, message) => log.warn({ ...peer, ...more }, message),
    error: (more, message) => log.error({ ...peer, ...more }, message),
  };
  return lines as ClusterLog;
}
