import { ClientAccess } from '../../../src/delivery/agent/access/client-access.ts';
import type {
  AgentSession,
  BrokerAccess,
} from '../../../src/delivery/agent/access/broker-access.ts';
import { Agent } from '../../../src/delivery/agent/agent.ts';
import { checkSettings, type Settings } from '../../../src/delivery/settings/settings.ts';
import { AgentLog } from '../../../src/delivery/agent/agent-log.ts';
import { ApiError, BrokerClient, UnreachableError } from '../../../src/client/index.ts';
import { systemClock } from '../../../src/process/clock.ts';
import { randomFraction } from '../../../src/crypto/random/random.ts';

export interface FleetOptions {
  readonly url: string;
  readonly cluster: string;
  readonly paths: readonly string[];
  /** One token for each agent. */
  readonly tokens: readonly string[];
}

/** The events of a fleet in one second. */
export interface Second {
  logins: number;
  reads: number;
  streams: number;
}

/**
 * Many agents in one process, each with its own connections, session, event stream and timers. They run the agent's own code from the login
 * to the delivery, except that values stay in memory instead of files.
 */
export class AgentFleet {
  readonly #agents: readonly Agent[];
  readonly #clients: readonly BrokerClient[];
  readonly #stopping = new AbortController();
  readonly #running: Promise<void>[] = [];
  /** Sessions by the second in which they began, counted from the launch. */
  readonly #seconds = new Map<number, Second>();
  /** Failed answers by kind: `429 retry`, `403`, `cut_off`. */
  readonly failures = new Map<string, number>();
  readonly #names: readonly string[];
  #startedAt = 0;
  started = 0;

  constructor({ url, cluster, paths, tokens }: FleetOptions) {
    const settings = checkSettings(
      {
        broker: { url },
        cluster,
        endSessionOnExit: false,
        secrets: paths.map((path) => ({ path })),
      },
      'fleet',
    );
    this.#names = settings.secrets.map(({ path }) => path);
    this.#clients = tokens.map(
      () => new BrokerClient({ url, tries: 1, userAgent: 'quaymaster-fleet' }),
    );
    this.#agents = tokens.map((token, index) => this.#agentOf(settings, token, index));
  }

  #agentOf(settings: Settings, token: string, index: number): Agent {
    const access = new ClientAccess(this.#clients[index]!, settings);
    return new Agent(settings, {
      access: this.#counted(access),
      readIdentity: () => Promise.resolve(token),
      deliveries: {
        deliver: () => Promise.resolve({ changed: [], replaced: [] }),
        remove: () => Promise.resolve(),
        isNotificationPending: false,
        beginNotification: () => () => undefined,
      },
      isResident: true,
      clock: systemClock,
      random: randomFraction,
      log: new AgentLog('error', systemClock, () => undefined),
    });
  }

  /** Launches all agents, evenly spread over a time. */
  launch(withinMs: number): void {
    this.#startedAt = performance.now();
    const { signal } = this.#stopping;
    for (const [index, agent] of this.#agents.entries()) {
      const life = async (): Promise<void> => {
        await systemClock.sleep((withinMs * index) / this.#agents.length, signal);
        await agent.start(signal);
        this.started += 1;
        await agent.run(signal);
      };
      this.#running.push(life().catch((error: unknown) => this.#ended(error)));
    }
  }

  /** The number of agents that have all their secrets in memory now. */
  served(): number {
    return this.#agents.filter((agent) =>
      this.#names.every((name) => agent.find(name) !== undefined),
    ).length;
  }

  /** The number of agents that report ready, and a connection to the broker. */
  well(): number {
    return this.#agents.filter((agent) => agent.state().reasons.length === 0).length;
  }

  /** Seconds since the launch. */
  get age(): number {
    return (performance.now() - this.#startedAt) / 1_000;
  }

  /** The maximum in one whole second after `since`. Events that began earlier, within that same second, do not count. */
  peak(kind: keyof Second, since = 0): number {
    const counts = [...this.#seconds].filter(([second]) => second >= Math.ceil(since));
    return Math.max(0, ...counts.map(([, each]) => each[kind]));
  }

  total(kind: keyof Second): number {
    return [...this.#seconds.values()].reduce((sum, each) => sum + each[kind], 0);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await Promise.all(this.#running);
    // Also closes their event streams.
    await Promise.all(this.#agents.map((agent) => agent.stop()));
    for (const client of this.#clients) client.close();
  }

  #counted(access: BrokerAccess): BrokerAccess {
    return {
      logIn: async (token, signal) => {
        this.#count('logins');
        return this.#countedSession(await this.#noted(access.logIn(token, signal)));
      },
    };
  }

  #countedSession(session: AgentSession): AgentSession {
    const read = session.read.bind(session);
    session.read = (items, signal) => {
      this.#count('reads');
      return this.#noted(read(items, signal));
    };
    const events = session.events.bind(session);
    session.events = (lastEventId, signal) => {
      this.#count('streams');
      return events(lastEventId, signal);
    };
    return session;
  }

  async #noted<T>(answer: Promise<T>): Promise<T> {
    try {
      return await answer;
    } catch (error) {
      const kind = kindOf(error);
      this.failures.set(kind, (this.failures.get(kind) ?? 0) + 1);
      throw error;
    }
  }

  #count(kind: keyof Second): void {
    const second = Math.floor(this.age);
    const counts = this.#seconds.get(second) ?? { logins: 0, reads: 0, streams: 0 };
    counts[kind] += 1;
    this.#seconds.set(second, counts);
  }

  #ended(error: unknown): void {
    if (this.#stopping.signal.aborted) return;
    const kind = `ended: ${error instanceof Error ? error.name : typeof error}`;
    this.failures.set(kind, (this.failures.get(kind) ?? 0) + 1);
  }
}

function kindOf(error: unknown): string {
  if (error instanceof UnreachableError) return error.reason;
  if (!(error instanceof ApiError)) return 'fault';
  return error.retryAfterSeconds === undefined ? String(error.status) : `${error.status} retry`;
}
