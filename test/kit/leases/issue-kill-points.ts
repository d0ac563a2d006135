/**
 * Points at which a broker may die while it issues a credential: between the intent, the preparation, the credential itself and its lease.
 */
export const KILL_POINTS = [
  'credential.intended.before_commit',
  'credential.intended.after_commit',
  'credential.prepared.before_commit',
  'credential.prepared.after_commit',
  'credential.issued.before_commit',
  'credential.issued.after_commit',
] as const;

/** The same points in groups that one kill serves: orders wait after their commits, and the process is killed at the last point of the group. */
export const KILLED_TOGETHER = [
  [
    'credential.intended.after_commit',
    'credential.prepared.after_commit',
    'credential.issued.after_commit',
    'credential.intended.before_commit',
  ],
  ['credential.prepared.before_commit'],
  ['credential.issued.before_commit'],
] as const;
