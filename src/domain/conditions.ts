/** Meaning of a word of `readyz`, and what its reader should do and not do. The log of the broker, `status` and `doctor` show the same text. */
export interface Condition {
  readonly what: string;
  readonly todo: string;
  /** A mistake that seems to help. */
  readonly avoid?: string;
}

/** Reasons why a store is held. */
export const HELD: Readonly<Record<string, Condition>> = {
  schema_differs: {
    what: 'the schema of the store differs from the migrations',
    todo: 'find who changed it, and undo the change in the database while the broker is stopped, or restore a backup',
    avoid: 'do not run quaymaster release, which does not lift this hold',
  },
  log_missing: {
    what: 'the tables of the audit log were emptied',
    todo: 'restore a backup of the whole store; without one, quaymaster release begins the log again',
    avoid: 'do not release a store that you can restore: all entries are lost',
  },
  rows_differ: {
    what: 'rows were deleted, replayed, edited or inserted outside the broker',
    todo: 'compare the rows that the log of the broker names with a backup; restore it, or run quaymaster release, which prints what it accepts',
    avoid: 'do not release before you know who changed the rows',
  },
  rows_behind: {
    what: 'a part of the store was rolled back: digests of rows are missing, or older than the log says',
    todo: 'restore a backup of the whole store, then run quaymaster release',
    avoid: 'do not restore single tables',
  },
  store_behind: {
    what: 'the store is older than the checkpoint outside it, so policies, revocations and tokens may be older too',
    todo: 'if you restored a backup, run quaymaster release with --apply-removals; otherwise someone replaced the store: treat it as an attack',
    avoid: 'do not delete that checkpoint, which is the proof',
  },
  store_forked: {
    what: 'the store and the checkpoint outside it have different histories, because two copies of the store ran',
    todo: 'find the copy that served callers last, and start the broker on that one',
    avoid: 'do not release before you know which copy is right',
  },
  checkpoint_missing: {
    what: 'the checkpoint outside the store is gone, so nothing proves that the store is the newest',
    todo: 'restore it from your copy; without one, compare the end of the log with a sink, then run quaymaster release',
    avoid: 'do not release a store whose end you have not compared',
  },
  checkpoint_foreign: {
    what: 'another log key signed the checkpoint outside the store, or the anchor of the log in the store was changed',
    todo: 'check the place of the checkpoint, the log key and the mounted volumes, then restart the broker',
    avoid: 'do not release before the paths are right',
  },
  index_damaged: {
    what: 'an index of rows that grant something is damaged on the disk',
    todo: 'stop the broker, check the disk, and repair the store as in docs/operations.md, "A held store", or restore a backup',
    avoid: 'do not run quaymaster release, which does not lift this hold',
  },
  commits_missing: {
    what: 'the store lacks the last entry that the broker acknowledged: the disk lost a write, or someone cut the end',
    todo: 'check the disk and restore a newer copy; without one, run quaymaster release and repeat what the lost commits changed',
    avoid: 'do not forget lost revocations: the release prints the last acknowledged entry',
  },
  origin_differs: {
    what: 'audit.origin of the configuration is not the origin of the log in the store',
    todo: 'set audit.origin back to the origin that the log of the broker names, then restart the broker',
    avoid: 'do not restore a backup and do not run quaymaster release, because nothing is damaged',
  },
  log_damaged: {
    what: 'the audit log in the store is inconsistent, or was written with another log key',
    todo: 'restore the right log key, or a backup of the whole store',
    avoid: 'do not run quaymaster release, which does not lift this hold',
  },
};

/** Reasons why a broker refuses requests. */
export const UNREADY: Readonly<Record<string, Condition>> = {
  ERR_SEALED: {
    what: 'the broker has no root keys: it was sealed, or no key-encryption key can be reached',
    todo: 'if it waits for a key-encryption key, make that key reachable; after quaymaster seal, restart each replica when the incident is over: docs/operations.md, "Sealing"',
    avoid: 'do not run quaymaster init, which cannot replace a key',
  },
  ERR_HELD: {
    what: 'rollback protection stopped the store',
    todo: 'find the reason: docs/operations.md, "A held store"',
  },
  ERR_STORE_UNAVAILABLE: {
    what: 'the store cannot be opened or reached',
    todo: 'check the database and the disk; the log of the broker has the error',
    avoid: 'do not restart the broker, which retries by itself',
  },
  ERR_AUDIT_UNAVAILABLE: {
    what: 'nothing can be recorded, usually because the disk is full or a session of PostgreSQL holds a lock; or a start cannot read the last checkpoint in its bucket',
    todo: 'make room, or end that session: docs/operations.md, "A full disk"; for a bucket, see "A checkpoint that cannot be written"',
    avoid: 'do not delete files of the store',
  },
  starting: { what: 'the first attempt to start has not ended', todo: 'wait some seconds' },
  draining: { what: 'the broker stops and completes its requests', todo: 'wait for the next one' },
};

/** Conditions that an operator should change, although the broker serves requests. */
export const WARNINGS: Readonly<Record<string, Condition>> = {
  audit_log_damaged: {
    what: 'entries of the audit log do not verify',
    todo: 'treat it as an attack until you know better: docs/operations.md, "Damage in the audit log"',
  },
  audit_sink_stopped: {
    what: 'a sink stopped at an entry that does not verify',
    todo: 'docs/operations.md, "Damage in the audit log"',
  },
  audit_sink_cursor_forged: {
    what: 'the cursor of a sink was changed in the database',
    todo: 'find who writes to the database; the sink gets every entry again',
  },
  audit_checkpoint_failed: {
    what: 'the last checkpoint cannot be written outside the store, so a rollback to a state since then would not be noticed',
    todo: 'repair its place, file or bucket: docs/operations.md, "A checkpoint that cannot be written"',
    avoid: 'do not restart the broker: a start needs to read the checkpoint',
  },
  audit_index_damaged: {
    what: 'an index of the audit log is damaged, so searches may miss entries',
    todo: 'docs/operations.md, "Damage in a SQLite file"',
  },
  index_check_incomplete: {
    what: 'the check of the indexes of the store failed or takes too long, so damage in an index is not noticed',
    todo: 'the log of the broker has the reason: docs/operations.md, "Damage in a SQLite file"',
  },
  audit_chain_broken: {
    what: 'entries of another replica did not verify',
    todo: 'docs/operations.md, "Damage in the audit log"',
  },
  store_page_unreadable: {
    what: 'a page of the store cannot be read',
    todo: 'check the disk and restore a backup: docs/operations.md, "Damage in a SQLite file"',
  },
  store_space_low: {
    what: 'four fifths of the space of the store are used',
    todo: 'make room before it is full: docs/operations.md, "A full disk"',
  },
  store_open_to_all_roles: {
    what: 'every role of the PostgreSQL server may connect to the database of the store',
    todo: 'revoke CONNECT: docs/install.md, "The database, with the store on PostgreSQL"',
  },
  backup_failed: {
    what: 'the last backup failed',
    todo: 'the log of the broker and quaymaster backup ls have the reason',
  },
  backup_place_missing: {
    what: 'the broker cannot write to the directory of the backups, so no backup is made',
    todo: 'mount it or repair its rights; backups continue within a minute',
    avoid: 'do not restart the broker for it',
  },
  audit_archive_failed: {
    what: 'the last run of the archive failed',
    todo: 'docs/operations.md, "A failed archive run"',
  },
  config_reload_failed: {
    what: 'the last reload of the configuration failed, and the one before is in use',
    todo: 'quaymaster config check names every problem',
  },
  certificate_reload_failed: {
    what: 'the files of the certificate cannot be used, and an earlier certificate is in use',
    todo: 'replace the files before it expires: docs/operations.md, "Reloading the configuration"',
  },
  certificate_expired: {
    what: 'the certificate of the listener has expired, so clients refuse it',
    todo: 'renew it: the broker reads the files again every minute',
    avoid: 'do not make clients skip the check',
  },
  clock_ahead: {
    what: 'the time of the broker is ahead of the system clock, so logins may be refused as expired',
    todo: 'docs/operations.md, "A clock that was set back"',
  },
  kek_unreachable: {
    what: 'a key-encryption key does not work',
    todo: 'repair it before the next restart: docs/operations.md, "A key-encryption key that does not work"',
    avoid: 'do not restart the broker: without a key it would be sealed',
  },
  cluster_watch_down: {
    what: 'the broker cannot watch the pods or other objects of a cluster, so it does not see which pods have ended',
    todo: 'quaymaster status names the clusters; check the API server and the rights of the connection: docs/operations.md, "A stale pod watch"',
  },
  enrolment_not_renewed: {
    what: 'the credential of an enrolled cluster could not be renewed for hours, or has ended, so the broker loses its API server',
    todo: 'quaymaster cluster enrolments names the end of each; the log of the broker has the reason: docs/enrolment.md, "When the renewal fails"',
  },
  profile_defaults: {
    what: 'a posture profile of an earlier release allows what new ones deny',
    todo: 'docs/posture.md, "Defaults of earlier releases"',
  },
  decoys_unconfirmed: {
    what: 'a decoy of an earlier release may not cut off its readers',
    todo: 'a responder applies its definition again: docs/runtime-alerts.md, "Decoys"',
  },
  last_admin_token_ending: {
    what: 'no token with the role admin lives on for long, so no admin can log in while the issuer of people fails',
    todo: 'create one: quaymaster operator token create NAME --ttl 90d',
  },
  deletions_held: {
    what: 'many custom resources of a cluster are gone, and the broker keeps their documents',
    todo: 'docs/kubernetes-documents.md, "Many deletions at once"',
  },
};

/** One line for people; `word` alone if it is unknown, as one of a later broker may be. */
export function conditionText(word: string, condition: Condition | undefined): string {
  return condition === undefined ? word : `${word}: ${condition.what}`;
}

/** Text of what to do, and what not to do. */
export function cureOf({ todo, avoid }: Condition): string {
  return avoid === undefined ? todo : `${todo}; ${avoid}`;
}
