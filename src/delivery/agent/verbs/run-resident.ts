import type { Settings } from '../../settings/settings.ts';
import { EXIT } from '../../failures.ts';
import { furnish } from './build-agent.ts';
import { LocalServers } from './local-servers.ts';

/** Delivers and stays, until SIGTERM, SIGINT or `POST /quit`: a sidecar. @throws AgentFailure */
export async function runResident(settings: Settings): Promise<number> {
  const quit = new AbortController();
  const told: string[] = [];
  const end = (why: string): void => {
    told.push(why);
    quit.abort();
  };
  // Before anything else: PID 1 does not end by a signal that nobody listens to.
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, end);
  const { agent, log, close } = await furnish(settings, { isResident: true });
  let servers: LocalServers | undefined;
  try {
    servers = await LocalServers.listen(settings, agent, () => end('told to quit'));
    await agent.start(quit.signal);
    await agent.run(quit.signal);
    return EXIT.done;
  } catch (error) {
    if (quit.signal.aborted) return EXIT.done;
    throw error;
  } finally {
    if (quit.signal.aborted) log.info({ why: told }, 'ending');
    await agent.stop();
    await servers?.close();
    close();
  }
}
