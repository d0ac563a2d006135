import { isContended } from './contested-role.ts';
import type { PostgresSession } from './session.ts';

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
    if (isContended(error)) throw error;
    await session.query('ROLLBACK TO SAVEPOINT attempt');
    return error;
  }
}
