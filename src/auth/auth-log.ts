import type { Log } from '../ports/log.ts';

/** The log of the auth module. It contains no token, claim value or upstream text, because callers control those. */
export type AuthLog = Pick<Log, 'warn'>;
