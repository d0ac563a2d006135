import { constants } from 'node:os';
import type { Settings } from '../config/settings.ts';
import { EXIT, OutOfTime } from '../failures.ts';
import { furnish } from './furnish.ts';

/**
 * Delivers once, tells the application where it had other values before, and ends: an init container. The session is left to run out,
 * because what was delivered is in use from now on, and a lease ends with its session.
 * @returns 0, or 128 and the number of the signal that ended it: as PID 1 it would not end by a signal that it does not listen to.
 * @throws AgentFailure
 */
export async function runOnce(settings: Settings, timeoutMs: number): Promise<number> {
  const quit = Promise.withResolvers<number>();
  const quitting = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      quit.resolve(128 + constants.signals[signal]);
      quitting.abort();
    });
  }
  const { agent, close } = await furnish(settings, { isResident: false });
  const deadline = AbortSignal.timeout(timeoutMs);
  try {
    await agent.start(AbortSignal.any([deadline, quitting.signal]));
    return await Promise.race([quit.promise, agent.told().then(() => EXIT.done)]);
  } catch (error) {
    if (quitting.signal.aborted) return await quit.promise;
    if (!deadline.aborted) throw error;
    const { reasons } = agent.state();
    throw new OutOfTime(
      `not everything was delivered within ${timeoutMs / 1000} s: ${reasons.join(', ')}`,
    );
  } finally {
    close();
  }
}
