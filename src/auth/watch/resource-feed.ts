import { BrokerError } from '../../domain/errors.ts';
import type { Clock } from '../../ports/clock.ts';
import type { KubernetesApi } from '../../ports/kubernetes-api.ts';
import { listResources, type Resource } from './list-resources.ts';
import { readWatchEvent, type WatchEvent } from './watch-event.ts';

/** Receives objects and events as the feed reads them. The feed reads on when they are taken. */
export interface FeedSink {
  /** One page of a list. */
  page(objects: readonly unknown[]): void | Promise<void>;
  event(event: WatchEvent): void | Promise<void>;
  /** A watch was opened or received an event. */
  alive(): void;
}

export interface FeedDependencies {
  readonly api: KubernetesApi;
  readonly clock: Clock;
  readonly random: () => number;
}

const OPEN_MS = 10_000;
/**
 * The server ends each watch after this time and sends a bookmark shortly before, so silence stays below the 60 s that make a watch stale.
 */
const WATCH_SECONDS = { least: 30, spread: 10 };
/** Additional time for a server that stalls beyond its own limit. */
const OVERTIME_MS = 10_000;
/** A watch that ends sooner than this is a fault: reopening it at once would be a busy loop. */
const SHORTEST_WATCH_MS = 1_000;

/** Reads the objects of one kind: one list, then watches that each resume the one before. */
export class ResourceFeed {
  readonly #dependencies: FeedDependencies;
  readonly #resource: Resource;
  readonly #sink: FeedSink;
  readonly #closed: AbortSignal;

  constructor(
    dependencies: FeedDependencies,
    resource: Resource,
    sink: FeedSink,
    closed: AbortSignal,
  ) {
    this.#dependencies = dependencies;
    this.#resource = resource;
    this.#sink = sink;
    this.#closed = closed;
  }

  /** Lists the resources and returns the version to watch from. @throws ERR_PROVIDER_*. */
  list(): Promise<string> {
    const onPage = (objects: readonly unknown[]): void | Promise<void> => this.#sink.page(objects);
    return listResources(this.#dependencies, this.#resource, onPage, this.#closed);
  }

  /** One watch from `version` until the server ends it, which it does every half minute. @throws ERR_PROVIDER_*. */
  async watch(version: string): Promise<void> {
    const { clock } = this.#dependencies;
    const stalled = new AbortController();
    const abort = (): void => stalled.abort(new Error('the watch is silent'));
    let cancel = clock.after(OPEN_MS, abort);
    try {
      const seconds = this.#watchSeconds();
      const lines = await this.#open(version, seconds, stalled.signal);
      cancel();
      cancel = clock.after(seconds * 1000 + OVERTIME_MS, abort);
      const openedAt = clock.monotonic();
      this.#sink.alive();
      for await (const line of lines) {
        const event = readWatchEvent(line);
        this.#sink.alive();
        await this.#sink.event(event);
      }
      if (clock.monotonic() - openedAt < SHORTEST_WATCH_MS) throw tooShort();
    } finally {
      cancel();
      stalled.abort();
    }
  }

  #open(version: string, seconds: number, stalled: AbortSignal): Promise<AsyncIterable<unknown>> {
    const query = {
      watch: 'true',
      resourceVersion: version,
      allowWatchBookmarks: 'true',
      timeoutSeconds: String(seconds),
    };
    const signal = AbortSignal.any([stalled, this.#closed]);
    return this.#dependencies.api.stream({ path: this.#resource.path, query }, signal);
  }

  #watchSeconds(): number {
    return WATCH_SECONDS.least + Math.floor(WATCH_SECONDS.spread * this.#dependencies.random());
  }
}

function tooShort(): BrokerError {
  return new BrokerError('ERR_PROVIDER_UNAVAILABLE', undefined, { reason: 'watch_too_short' });
}
