import type { Log } from '../ports/log.ts';

/** What this room tells the operator. No token, claim value or upstream text goes in: those are a caller's. */
export type AuthLog = Pick<Log, 'warn'>;
