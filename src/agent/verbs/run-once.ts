import type { Settings } from '../config/settings.ts';
import { EXIT, OutOfTime } from '../failures.ts';
import { furnish } from './furnish.ts';

/**
 * Delivers once and ends: an init container. The session is left to run out, because what was delivered is in use from now on, and a lease
 * ends with its session. @throws AgentFailure
 */
export async function runOnce(settings: Settings, timeoutMs: number): Promise<number> {
  const { agent, close } = await furnish(settings, { isResident: false });
  const deadline = AbortSignal.timeout(timeoutMs);
  try {
    await agent.start(deadline);
    return EXIT.done;
  } catch (error) {
    if (!deadline.aborted) throw error;
    const { reasons } = agent.state();
    throw new OutOfTime(
      `not everything was delivered within ${timeoutMs / 1000} s: ${reasons.join(', ')}`,
    );
  } finally {
    close();
  }
}
