import { constants } from 'node:os';
import { systemClock } from '../../../clock.ts';
import { withDeadline } from '../../../ports/deadline.ts';
import type { Agent } from '../agent.ts';
import type { Settings } from '../../settings/settings.ts';
import { EXIT, OutOfTime } from '../../failures.ts';
import { furnish } from './build-agent.ts';

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
  try {
    await start(agent, timeoutMs, quitting.signal);
    return await Promise.race([quit.promise, agent.told().then(() => EXIT.done)]);
  } catch (error) {
    if (quitting.signal.aborted) return await quit.promise;
    throw error;
  } finally {
    await agent.stop();
    close();
  }
}

/** @throws OutOfTime where that takes too long; as `Agent.start` */
async function start(agent: Agent, timeoutMs: number, quitting: AbortSignal): Promise<void> {
  await withDeadline(systemClock, timeoutMs, async (deadline) => {
    try {
      await agent.start(AbortSignal.any([deadline, quitting]));
    } catch (error) {
      if (!deadline.aborted) throw error;
      const { reasons } = agent.state();
      const limit = `within ${timeoutMs / 1000} s`;
      throw new OutOfTime(`not everything was delivered ${limit}: ${reasons.join(', ')}`);
    }
  });
}
