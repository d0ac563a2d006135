/**
 * Limits for a connection whose time-out is not the subject of a test: on a busy machine a call may take many seconds. The
 * longest that the schema accepts.
 */
export const PATIENT = { timeoutMs: 60_000 };
