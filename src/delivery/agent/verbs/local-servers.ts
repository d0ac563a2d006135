import type { Agent } from '../agent.ts';
import type { Settings } from '../../settings/settings.ts';

/** The servers for probes and for programs of the pod. Each is loaded only if it is configured. */
export class LocalServers {
  readonly #closing: (() => Promise<void>)[] = [];

  /** Health answers from the beginning, because a start may take a while. @throws ConfigError */
  static async listen(
    { health, api }: Settings,
    agent: Agent,
    onQuit: () => void,
  ): Promise<LocalServers> {
    const servers = new LocalServers();
    if (health !== undefined) {
      const { Health } = await import('../health.ts');
      const listening = await Health.listen(health, () => agent.state(), onQuit);
      servers.#closing.push(() => listening.close());
    }
    if (api !== undefined) {
      const { LocalApi } = await import('../local-api/local-api.ts');
      const listening = await LocalApi.listen(api, {
        find: (id) => agent.find(id),
        refresh: (id) => agent.refresh(id),
      });
      servers.#closing.push(() => listening.close());
    }
    return servers;
  }

  async close(): Promise<void> {
    await Promise.all(this.#closing.map((close) => close()));
  }
}
