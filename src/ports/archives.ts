import type { ArchiveReference } from '../domain/audit/audit-actions.ts';

/** Entries `[first, end)` of the log; none if both are equal. */
export interface ArchivePlan {
  readonly first: number;
  readonly end: number;
  /** The reason why the store keeps older entries: a sink that does not have them, or the newest 512 entries, which always stay. */
  readonly limitedBy: 'sink' | 'newest' | undefined;
}

/** The run in progress, or the last one that this process made. */
export interface ArchiveRun extends ArchivePlan {
  readonly state: 'running' | 'done' | 'failed';
  readonly step: 'write' | 'sign' | 'remove';
  /** Entries of `total` that are in verified objects. */
  readonly done: number;
  readonly total: number;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  readonly finishedAt?: number;
  /** Set when it failed: what happened and what to do. */
  readonly error?: string;
}

/** Moves the beginning of the audit log to the archive of the configuration. One run at a time. */
export interface Archives {
  /** The directory or bucket. */
  readonly place: string;
  readonly keepDays: number;
  /** Computes the entries that a run would archive. `before`: milliseconds since the epoch. */
  plan(before: number): Promise<ArchivePlan>;
  /** Starts a run, or returns the one in progress. `entry` makes the entry that signs each truncation. */
  start(before: number, entry: (archive: ArchiveReference) => string): ArchiveRun;
  run(): ArchiveRun | undefined;
}
