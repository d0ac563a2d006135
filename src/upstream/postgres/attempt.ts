import { isContended } from './contested.ts';
import { sqlStateOf } from './postgres-error.ts';
import type { PostgresSession } from './session.ts';

const LOCK_NOT_AVAILABLE = '55P03';

/** Tries a part of a transaction; what it changed is undone where it fails, and the transaction goes on. Returns the failure. */
export async function attempt(
  session: PostgresSession,
  work: () => Promise<unknown>,
): Promise<unknown> {
  await session.query('SAVEPOINT attempt');
  try {
    await work();
    await session.query('RELEASE SAVEPOINT attempt');
    return undefined;
  } catch (error) {
    // Another transaction was faster: all of this one is done again.
    if (isContended(error) && sqlStateOf(error) !== LOCK_NOT_AVAILABLE) throw error;
    await session.query('ROLLBACK TO SAVEPOINT attempt');
    return error;
  }
}
