/** State of the audit log, its sinks, its witnesses and its archive, as a broker knows it. It names no path and no caller. */
export interface LogStatus {
  /** Entries in the tree of the last checkpoint. */
  readonly entries: number;
  readonly brokenChains: number;
  readonly damagedEntries: number;
  /** Time in milliseconds at which the last complete check of the log ended; undefined before the first in this process. */
  readonly checkedAt: number | undefined;
  readonly archivedEntries: number;
  /** Time in milliseconds of the newest truncation; undefined if there is none. */
  readonly archivedAt: number | undefined;
  readonly sinks: readonly SinkStatus[];
  readonly witnessedEntries: number;
  /** Time for which the log has had entries that no witnessed checkpoint covers; 0 if all are covered. */
  readonly unwitnessedMs: number;
  readonly witnesses: readonly {
    readonly name: string;
    readonly isFailing: boolean;
    readonly isContradicting: boolean;
  }[];
}

export interface SinkStatus {
  /** Entries in the log that the sink lacks. */
  readonly lag: number;
  /** Time in milliseconds since which it lacks the first of them, exact to a minute; undefined if it lacks none. */
  readonly behindSince: number | undefined;
  readonly isStopped: boolean;
  readonly isFailing: boolean;
}

/** State of a broker, for the people who run it. */
export interface BrokerStatus {
  /** Time of the broker in milliseconds, by which everything expires. */
  readonly time: number;
  readonly clockAheadMs: number;
  /** `scheduled`: the broker makes backups. `elsewhere`: it makes none, and does not know of those by the tools of PostgreSQL. `unknown`: it does not look while the store is held. */
  readonly backups: 'scheduled' | 'none' | 'elsewhere' | 'unknown';
  /** Watches of clusters that are not live, at most a hundred. */
  readonly watchesDown: readonly WatchDown[];
  /** Certificates that the configuration names, at most a hundred: those that expire first. */
  readonly certificates: readonly CertificateStatus[];
  readonly log: LogStatus;
  /** Failed runs of the archive in this process. */
  readonly failedArchiveRuns: number;
  readonly liveLeases: number;
  /** Time in milliseconds of the newest backup; undefined if there is none. */
  readonly lastBackup: number | undefined;
}

/** A certificate in a file that the configuration names: one that the broker presents, or authorities that it trusts. */
export interface CertificateStatus {
  /** The setting that names the file, for example `listener.tls.certificateFile`. */
  readonly setting: string;
  /** Time in milliseconds. */
  readonly expiresAt: number;
  /** `expiring`: someone should have renewed it by now. */
  readonly state: 'valid' | 'expiring' | 'expired';
}

/** A watch by which the broker learns what happens in a cluster, and which shows nothing now. */
export interface WatchDown {
  readonly cluster: string;
  readonly connection: string;
  readonly resource: string;
  readonly status: 'starting' | 'stale';
}
