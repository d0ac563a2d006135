import { constants } from 'node:os';
import { systemClock } from '../../../process/clock.ts';
import { withDeadline } from '../../../ports/deadline.ts';
import type { Agent } from '../agent.ts';
import type { Settings } from '../../settings/settings.ts';
import { EXIT, OutOfTime } from '../../failures.ts';
import { buildAgent } from './build-agent.ts';

/**
 * Delivers once, notifies the application if it had other values before, and ends: an init container. The session is left to expire, because the
 * values are in use from now on, and leases end with their session.
 * @returns 0, or 128 and the number of the signal that ended it: as PID 1 it ignores signals without a handler
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
  const { agent, close } = await buildAgent(settings, { isResident: false });
  try {
    await start(agent, timeoutMs, quitting.signal);
    return await Promise.race([quit.promise, agent.waitForNotifications().then(() => EXIT.done)]);
  } catch (error) {
    if (quitting.signal.aborted) return await quit.promise;
    throw error;
  } finally {
    await agent.stop();
    close();
  }
}

/** @throws OutOfTime after the time limit; as `Agent.start` */
async function start(agent: Agent, timeoutMs: number, quitting: AbortSignal): Promise<void> {
  await withDeadline(systemClock, timeoutMs, async (deadline) => {
    try {
      await agent.start(AbortSignal.any([deadline, quitting]));
    } catch (error) {
      if (!deadline.aborted) throw error;
      const { reasons } = agent.state();
      const limit = `within ${timeoutMs / 1000} s`;
      throw new OutOfTime(`not all secrets were delivered ${limit}: ${reasons.join(', ')}`);
    }
  });
}
