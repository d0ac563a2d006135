import { BrokerError } from '../../domain/errors.ts';
import type { GoodFor, WatchStatus } from '../../ports/pod-watch.ts';
import type { AuthLog } from '../auth-log.ts';
import type { Resource } from './list-resources.ts';
import { ResourceFeed, type FeedDependencies } from './resource-feed.ts';
import type { WatchEvent } from './watch-event.ts';
import { doubledDelay } from '../../ports/backoff.ts';
import type { Clock } from '../../ports/clock.ts';

export interface WatchDependencies extends FeedDependencies {
  readonly log: AuthLog;
  /** Absent: nothing is good once the watch is stale. */
  readonly goodFor?: GoodFor | undefined;
}

export type ObjectEvent = Exclude<WatchEvent, { readonly type: 'BOOKMARK' }>;

/**
 * Receiver of what a watch reads. An error casts doubt on the known state, so that the watch lists again; only `status` may not
 * throw.
 */
export interface WatchSink {
  /** A list begins. Until it is complete, a page shows which objects exist and none shows which are gone. */
  begin(): void;
  page(objects: readonly unknown[]): void | Promise<void>;
  /** The list is complete. */
  complete(): void;
  event(event: ObjectEvent): void | Promise<void>;
  status(status: Exclude<WatchStatus, 'off'>): void;
}

/** Number of failures in a row after which the resource version itself may be wrong. */
const FAILURES_UNTIL_RELIST = 3;

/**
 * Lists, watches and resumes for ever. The informer of client-node drops lines that it cannot parse, and stops silently on errors other
 * than 410. Here any doubt leads to a new list, and silence makes the watch stale.
 */
export class ResourceWatch {
  readonly #resource: Resource;
  readonly #sink: WatchSink;
  readonly #dependencies: WatchDependencies;
  readonly #closed = new AbortController();
  readonly #liveness: Liveness;
  readonly #feed: ResourceFeed;
  readonly #done: Promise<void>;
  /** The version at which the next watch resumes; undefined: a new list is needed. */
  #version: string | undefined;
  #failures = 0;

  constructor(resource: Resource, sink: WatchSink, dependencies: WatchDependencies) {
    this.#resource = resource;
    this.#sink = sink;
    this.#dependencies = dependencies;
    this.#liveness = new Liveness(dependencies.clock, (status) => sink.status(status));
    const fed = {
      page: (objects: readonly unknown[]): void | Promise<void> => sink.page(objects),
      event: (event: WatchEvent): Promise<void> => this.#event(event),
      alive: (): void => this.#liveness.alive(),
    };
    this.#feed = new ResourceFeed(dependencies, resource, fed, this.#closed.signal);
    this.#done = this.#run();
  }

  status(): Exclude<WatchStatus, 'off'> {
    return this.#liveness.status();
  }

  /** Reports whether the last known state is good: the watch is live, or has been silent for at most this time. */
  isGood(maxSilenceMs: number | undefined): boolean {
    return this.status() === 'live' || this.#liveness.silenceMs() <= (maxSilenceMs ?? -1);
  }

  async close(): Promise<void> {
    this.#closed.abort();
    this.#liveness.close();
    await this.#done;
  }

  async #run(): Promise<void> {
    this.#sink.status('starting');
    while (!this.#closed.signal.aborted) {
      try {
        await this.#cycle();
      } catch (err) {
        await this.#recover(err);
      }
    }
  }

  async #cycle(): Promise<void> {
    if (this.#liveness.status() !== 'live') this.#version = undefined;
    await this.#feed.watch(this.#version ?? (await this.#relist()));
    this.#failures = 0;
  }

  async #recover(err: unknown): Promise<void> {
    if (this.#closed.signal.aborted) return;
    const { log, clock, random } = this.#dependencies;
    const { name } = this.#resource;
    this.#failures += 1;
    log.warn({ err, resource: name, failures: this.#failures }, 'a watch was interrupted');
    if (!isTransport(err) || this.#failures >= FAILURES_UNTIL_RELIST) this.#version = undefined;
    const pause = backOffMs(this.#failures, random);
    await clock.sleep(pause, this.#closed.signal).catch(() => undefined);
  }

  async #relist(): Promise<string> {
    this.#sink.begin();
    const version = await this.#feed.list();
    this.#sink.complete();
    this.#version = version;
    this.#liveness.synced();
    return version;
  }

  async #event(event: WatchEvent): Promise<void> {
    // Lines that a suspended process finds in its socket are from before the suspension.
    if (this.#liveness.status() !== 'live') {
      throw new BrokerError('ERR_PROVIDER_FAILED', undefined, { reason: 'watch_stale' });
    }
    if (event.type !== 'BOOKMARK') await this.#sink.event(event);
    this.#version = event.version;
    this.#failures = 0;
  }
}

/** The connection broke: the next watch resumes where this one stopped. Any other error casts doubt on the known state. */
function isTransport(error: unknown): boolean {
  if (!(error instanceof BrokerError)) return false;
  return error.code === 'ERR_PROVIDER_UNAVAILABLE' || error.code === 'ERR_PROVIDER_TIMEOUT';
}

const FIRST_BACK_OFF_MS = 500;
const LONGEST_BACK_OFF_MS = 30_000;

/** Milliseconds before the next attempt after `failures` in a row. The pause doubles; half of it is random, so that the replicas spread. */
function backOffMs(failures: number, random: () => number): number {
  const full = doubledDelay(FIRST_BACK_OFF_MS, LONGEST_BACK_OFF_MS, failures - 1);
  return full / 2 + (full / 2) * random();
}

type Status = 'starting' | 'live' | 'stale';

/** Silence, without any event or bookmark, after which the watch proves nothing. */
const STALE_AFTER_MS = 60_000;

/** State that tells whether the watch is trusted. Only a complete list makes it live; silence makes it stale. */
class Liveness {
  readonly #clock: Clock;
  readonly #onStatus: (status: Status) => void;
  #announced: Status = 'starting';
  #aliveAt = -Infinity;
  #cancelTimer: () => void = () => undefined;

  constructor(clock: Clock, onStatus: (status: Status) => void) {
    this.#clock = clock;
    this.#onStatus = onStatus;
  }

  /** Computes the status without a timer: a process that was suspended is stale at once. */
  status(): Status {
    if (this.#announced !== 'live') return this.#announced;
    return this.silenceMs() >= STALE_AFTER_MS ? 'stale' : 'live';
  }

  /** The watch received an event. A stale watch stays stale, because it may have missed events. */
  alive(): void {
    if (this.status() === 'live') this.#aliveAt = this.#clock.monotonic();
  }

  /** A list is complete. */
  synced(): void {
    this.#aliveAt = this.#clock.monotonic();
    if (this.#announced === 'live') return;
    this.#announce('live');
    this.#await(STALE_AFTER_MS);
  }

  close(): void {
    this.#cancelTimer();
  }

  /** Infinite before the first complete list. */
  silenceMs(): number {
    return this.#clock.monotonic() - this.#aliveAt;
  }

  #await(ms: number): void {
    this.#cancelTimer = this.#clock.after(ms, () => {
      const remaining = STALE_AFTER_MS - this.silenceMs();
      if (remaining > 0) this.#await(remaining);
      else this.#announce('stale');
    });
  }

  #announce(status: Status): void {
    this.#announced = status;
    this.#onStatus(status);
  }
}
