import type { ClusterLog } from '../ports/log.ts';

/** The log of the auth module, of one cluster. It contains no token, claim value or upstream text, because callers control those. */
export type AuthLog = ClusterLog;
