import { SystemActor } from '../../broker/recording/record.ts';
import { sha256Hex } from '../../crypto/hashes/digest.ts';
import { BrokerError } from '../../domain/errors.ts';
import type { MountedFile } from '../../process/mounted-file.ts';
import type { Clock } from '../../ports/clock.ts';
import type {
  Configuration,
  ConfigurationInUse,
  PreparedChange,
  Reloadable as ReloadableBy,
} from '../../ports/configuration.ts';
import type { Log } from '../../ports/log.ts';
import type { Store } from '../../ports/store.ts';
import { isMap, settingsForRestart } from '../config/changes.ts';
import { shownSettings } from '../config/shown.ts';
import type { Config } from '../config/schema.ts';

const POLL_MS = 10_000;

export type Reloadable = ReloadableBy<Config>;

interface ReloadDeps {
  /** Reads and validates the file. @throws ERR_CONFIG_INVALID */
  readonly load: () => Promise<Config>;
  /** Reloads also when this mount changes. */
  readonly mount?: MountedFile;
  /** Parts that exist before the broker does. */
  readonly parts?: readonly Reloadable[];
  readonly clock: Clock;
  readonly log: Log;
}

/** Reloads of the configuration file. One runs at a time; requests that arrive meanwhile share the next one. */
export class ConfigReload implements Configuration {
  readonly #deps: ReloadDeps;
  #config: Config;
  #inUse: ConfigurationInUse;
  #parts: readonly Reloadable[] = [];
  #store: Pick<Store, 'commit'> | undefined;
  #running: Promise<ConfigurationInUse> | undefined;
  #next: Promise<ConfigurationInUse> | undefined;
  #isClosed = false;
  #cancelWatch: () => void = () => undefined;

  constructor(config: Config, deps: ReloadDeps) {
    this.#deps = deps;
    this.#config = config;
    this.#inUse = { generation: 1, digest: digestOf(config), loadedAt: deps.clock.now() };
  }

  /** The broker runs: its parts can be reloaded, and reloads are recorded in its log. */
  start(parts: readonly Reloadable[], store: Pick<Store, 'commit'>): void {
    this.#parts = [...(this.#deps.parts ?? []), ...parts];
    this.#store = store;
    this.#watch();
  }

  inUse(): ConfigurationInUse {
    return this.#inUse;
  }

  settings(): Readonly<Record<string, unknown>> {
    return shownSettings(this.#config);
  }

  reload(): Promise<ConfigurationInUse> {
    if (this.#next !== undefined) return this.#next;
    if (this.#running === undefined) return this.#run();
    // The reload in progress may have read the file before the change that this request is about.
    this.#next = this.#running
      .catch(() => undefined)
      .then(() => {
        this.#next = undefined;
        return this.#run();
      });
    return this.#next;
  }

  /** Waits for the reload in progress, and refuses later ones. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancelWatch();
    await (this.#next ?? this.#running)?.catch(() => undefined);
  }

  #watch(): void {
    const { mount, clock } = this.#deps;
    if (mount === undefined || this.#isClosed) return;
    this.#cancelWatch = clock.after(POLL_MS, () => {
      void mount
        .hasChanged()
        .then((isChanged) => (isChanged ? this.reload() : undefined))
        // A failure is logged and recorded where it happens.
        .catch(() => undefined)
        .finally(() => this.#watch());
    });
  }

  #run(): Promise<ConfigurationInUse> {
    this.#running = this.#reload().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #reload(): Promise<ConfigurationInUse> {
    const { clock, log } = this.#deps;
    if (this.#isClosed || this.#store === undefined) {
      throw new BrokerError('ERR_BUSY', 'the broker starts or stops');
    }
    try {
      const next = await this.#deps.load();
      await this.#use(next);
    } catch (error) {
      const { code, message } = BrokerError.from(error);
      this.#inUse = { ...this.#inUse, failure: { at: clock.now(), detail: message } };
      log.error(
        { err: error, generation: this.#inUse.generation },
        'the configuration could not be reloaded; the old one stays in use',
      );
      await this.#record({ action: 'config.reload', outcome: 'error', code });
      throw error;
    }
    const { generation, digest } = this.#inUse;
    log.info({ generation, digest }, 'the configuration was reloaded');
    const comment = `generation ${generation} ${digest}`;
    await this.#record({ action: 'config.reload', outcome: 'ok', comment });
    return this.#inUse;
  }

  /** Prepares every part first. Only if none refuses, all of them change, in one turn of the event loop. */
  async #use(next: Config): Promise<void> {
    const fixed = settingsForRestart(this.#config, next);
    if (fixed.length > 0) throw needsRestart(fixed);
    const prepared: PreparedChange[] = [];
    try {
      for (const part of this.#parts) prepared.push(await part.prepare(next));
    } catch (error) {
      for (const change of prepared) await change.discard();
      throw error;
    }
    for (const change of prepared) change.apply();
    const { generation, digest } = this.#inUse;
    const newDigest = digestOf(next);
    this.#config = next;
    this.#inUse = {
      generation: newDigest === digest ? generation : generation + 1,
      digest: newDigest,
      loadedAt: this.#deps.clock.now(),
    };
  }

  async #record(event: Parameters<SystemActor['entry']>[0]): Promise<void> {
    const { clock, log } = this.#deps;
    const actor = new SystemActor({ clock, digest: sha256Hex }, 'config');
    await this.#store?.commit({ entries: [actor.entry(event)] }).catch((error: unknown) => {
      log.error({ err: error }, 'a reload of the configuration could not be recorded');
    });
  }
}

function needsRestart(pointers: readonly string[]): BrokerError {
  const lines = pointers.map((pointer) => `  ${pointer}: needs a restart`);
  return new BrokerError(
    'ERR_CONFIG_INVALID',
    [
      'the configuration is valid, but these changes need a restart, so nothing was changed',
      ...lines,
    ].join('\n'),
    { problems: pointers.map((pointer) => ({ pointer, message: 'needs a restart' })) },
  );
}

/** Computes a digest that is the same for the same settings, in whatever order the file has them. */
export function digestOf(config: Config): string {
  return sha256Hex(JSON.stringify(ordered(config)));
}

function ordered(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(ordered);
  if (!isMap(value)) return value;
  return Object.fromEntries(
    Object.keys(value)
      .sort()
      .map((key) => [key, ordered(value[key])]),
  );
}
