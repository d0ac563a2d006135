import { refusalWordOf } from './errors.ts';
import type { RedisCommand } from './client.ts';

const ROUNDS = 20;

/**
 * Does `work`, which may be done again from its beginning. A script or function that does not end makes the server refuse everybody's commands (`BUSY`), so
 * its author could keep a password from being taken away: it is killed. One that has written cannot be (`UNKILLABLE`), and the refusal stands.
 */
export async function pastScripts<T>(command: RedisCommand, work: () => Promise<T>): Promise<T> {
  for (let round = 1; ; round += 1) {
    try {
      return await work();
    } catch (error) {
      if (refusalWordOf(error) !== 'BUSY' || round === ROUNDS) throw error;
      const wasKilled = await killScript(command);
      if (!wasKilled) throw error;
    }
  }
}

async function killScript(command: RedisCommand): Promise<boolean> {
  for (const kind of ['SCRIPT', 'FUNCTION']) {
    try {
      await command(kind, 'KILL');
      return true;
    } catch (error) {
      // NOTBUSY: it has ended by itself.
      if (refusalWordOf(error) === 'NOTBUSY') return true;
    }
  }
  return false;
}
