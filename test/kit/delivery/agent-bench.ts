import { Agent } from '../../../src/delivery/agent/agent.ts';
import { DeliveryError } from '../../../src/delivery/failures.ts';
import type { DeliveredSecret } from '../../../src/delivery/files/delivered-secret.ts';
import { AgentLog } from '../../../src/delivery/agent/agent-log.ts';
import { checkSettings } from '../../../src/delivery/settings/settings.ts';
import { until } from '../backends/until.ts';
import { ScriptedAccess } from '../fakes/scripted-access.ts';
import { HandClock } from '../time/hand-clock.ts';

/** One agent with a scripted broker, a clock that the test moves, and recorded deliveries. */
export class AgentBench {
  readonly clock = new HandClock();
  readonly broker = new ScriptedAccess(this.clock);
  quit = new AbortController();
  token = 'token-1';
  log = '';
  /** Names and versions of the last delivery, and names that were removed. */
  delivered: Readonly<Record<string, string>> = {};
  readonly removed: string[] = [];
  deliveries = 0;
  /** The number of removals that fail. */
  unremovable = 0;
  /** The number of deliveries that fail. */
  undeliverable = 0;
  /** Names that the next deliveries report as replaced. */
  replaced: readonly string[] = [];
  /** The number of notifications to the child of `exec`. */
  childSignals = 0;
  life: Promise<unknown> = Promise.resolve();

  constructor() {
    this.broker.secrets.set('a/db', '1');
    this.broker.secrets.set('a/api', '1');
  }

  async end(): Promise<void> {
    this.quit.abort();
    await this.life;
  }

  /** Runs everything that waits only for the event loop. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  }

  async untilLogged(text: string, times = 1): Promise<void> {
    await until(text, () => Promise.resolve(this.log.split(text).length > times));
  }

  /** Advances the clock, and runs the work that becomes due. */
  async pass(ms: number, step = 1_000): Promise<void> {
    for (let passed = 0; passed < ms; passed += step) {
      this.clock.advance(Math.min(step, ms - passed));
      await this.settle();
    }
  }

  agent(more: object = {}): Agent {
    const settings = checkSettings(
      {
        broker: { url: 'https://broker.test' },
        cluster: 'c1',
        secrets: [{ path: 'a/db' }, { path: 'a/api' }],
        ...more,
      },
      'test',
    );
    return new Agent(settings, {
      access: this.broker,
      readIdentity: () => Promise.resolve(this.token),
      deliveries: {
        deliver: async (values) => Promise.resolve(this.#deliver(values)),
        remove: (names) => this.#remove(names),
        isNotificationPending: false,
        beginNotification: () => () => undefined,
      },
      child: () => Promise.resolve(void (this.childSignals += 1)),
      isResident: true,
      clock: this.clock,
      random: () => 0.5,
      log: new AgentLog('debug', this.clock, (line) => (this.log += line)),
    });
  }

  /** Starts an agent that keeps running. */
  async living(more: object = {}): Promise<Agent> {
    const one = this.agent(more);
    const start = one.start(this.quit.signal);
    await this.settle();
    await start;
    await this.stay(one);
    return one;
  }

  async stay(one: Agent): Promise<void> {
    this.life = one.run(this.quit.signal).catch((error: unknown) => error);
    await this.settle();
  }

  #deliver(values: ReadonlyMap<string, DeliveredSecret>) {
    if (this.undeliverable > 0) {
      this.undeliverable -= 1;
      throw new DeliveryError('full');
    }
    this.deliveries += 1;
    this.delivered = Object.fromEntries([...values].map(([name, { version }]) => [name, version]));
    return { changed: [], replaced: this.replaced };
  }

  #remove(names: readonly string[]): Promise<void> {
    if (this.unremovable > 0) {
      this.unremovable -= 1;
      return Promise.reject(new DeliveryError('no'));
    }
    this.removed.push(...names);
    return Promise.resolve();
  }
}
