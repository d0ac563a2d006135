/** A finished backup, by its manifest. */
export interface Backup {
  readonly name: string;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  /** The size of the encrypted archive. */
  readonly bytes: number;
  /** The audit entries that the backup contains. */
  readonly entries: number;
  readonly recipients: readonly string[];
}

/** The backup in progress, or the last one that this process made. */
export interface BackupRun {
  readonly state: 'running' | 'done' | 'failed';
  readonly step: 'copy' | 'verify' | 'encrypt';
  /** Pages, rows or bytes of the step that are done, and of how many; 0 if that is not known. */
  readonly done: number;
  readonly total: number;
  readonly startedAt: number;
  readonly finishedAt?: number;
  /** Set when it is done. */
  readonly backup?: Backup;
  /** Set when it failed: what happened and what to do. */
  readonly error?: string;
}

/** Backups of the store, encrypted to the recipients of the configuration, in its backup directory. */
export interface Backups {
  /** Starts a backup, or returns the one in progress. @throws ERR_CONFLICT if the configuration does not allow backups. */
  start(): BackupRun;
  run(): BackupRun | undefined;
  /** Newest first. */
  list(): Promise<readonly Backup[]>;
}
