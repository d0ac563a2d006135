import type { Settings } from '../config/settings.ts';
import { EXIT } from '../failures.ts';
import { furnish } from './furnish.ts';
import { LocalServers } from './local-servers.ts';

/** Delivers and stays, until SIGTERM, SIGINT or `POST /quit`: a sidecar. @throws AgentFailure */
export async function runResident(settings: Settings): Promise<number> {
  const { agent, log, close } = await furnish(settings, { isResident: true });
  const quit = new AbortController();
  const end = (why: string): void => {
    log.info({ why }, 'ending');
    quit.abort();
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, end);
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
    await agent.stop();
    await servers?.close();
    close();
  }
}
