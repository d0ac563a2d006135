/**
 * Points at which a broker may die while it issues a credential: between the intent, the preparation, the credential itself and its lease. An order cannot
 * wait at these, so each of them kills the process.
 */
export const KILLING_POINTS = [
  'credential.intended.before_commit',
  'credential.prepared.before_commit',
  'credential.issued.before_commit',
] as const;

/** The points after the same commits. An order waits there until the process is killed at another point. */
export const WAITING_POINTS = [
  'credential.intended.after_commit',
  'credential.prepared.after_commit',
  'credential.issued.after_commit',
] as const;
