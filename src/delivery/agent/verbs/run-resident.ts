import type { Settings } from '../../settings/settings.ts';
import { EXIT } from '../../failures.ts';
import { buildAgent } from './build-agent.ts';
import { LocalServers } from './local-servers.ts';

/** Delivers and keeps running until SIGTERM, SIGINT or `POST /quit`: a sidecar. @throws AgentFailure */
export async function runResident(settings: Settings): Promise<number> {
  const quit = new AbortController();
  const reasons: string[] = [];
  const end = (why: string): void => {
    reasons.push(why);
    quit.abort();
  };
  // Before anything else: PID 1 ignores signals without a handler.
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, end);
  const { agent, log, close } = await buildAgent(settings, { isResident: true });
  let servers: LocalServers | undefined;
  try {
    servers = await LocalServers.listen(settings, agent, () => end('quit'));
    await agent.start(quit.signal);
    await agent.run(quit.signal);
    return EXIT.done;
  } catch (error) {
    if (quit.signal.aborted) return EXIT.done;
    throw error;
  } finally {
    if (quit.signal.aborted) log.info({ reasons }, 'ending');
    await agent.stop();
    await servers?.close();
    close();
  }
}
