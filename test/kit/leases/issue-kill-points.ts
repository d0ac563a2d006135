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
