import { BrokerError } from '../../domain/errors.ts';
import type { CallContext } from '../../ports/call-context.ts';
import type { PodFacts, PodWatch, PodWatchEvents } from '../../ports/pod-watch.ts';
import type { AuthLog } from '../auth-log.ts';
import { backOffMs } from './back-off.ts';
import { confirmPod } from './confirm-pod.ts';
import type { PodName } from './confirm-pod.ts';
import { Liveness } from './liveness.ts';
import type { ObservedPod } from './observed-pod.ts';
import { PodFeed } from './pod-feed.ts';
import type { PodFeedDependencies } from './pod-feed.ts';
import { PodTable } from './pod-table.ts';
import type { WatchEvent } from './watch-event.ts';

export interface PodWatchDependencies extends PodFeedDependencies {
  readonly log: AuthLog;
}

/** If a relist loses more pods than both limits, it reports a mass loss instead of single ends: the list may be wrong. */
const MASS_LOSS = { share: 0.2, fewest: 10 };
/** After this many failures in a row the resource version itself may be wrong. */
const FAILURES_UNTIL_RELIST = 3;

/**
 * Lists, watches and resumes for ever. The informer of client-node drops lines that it cannot parse, and stops silently on errors other
 * than 410. Here any doubt leads to a new list, and silence makes the watch stale.
 */
export class ClusterPodWatch implements PodWatch {
  readonly #dependencies: PodWatchDependencies;
  readonly #events: PodWatchEvents;
  readonly #closed = new AbortController();
  readonly #table: PodTable;
  readonly #liveness: Liveness;
  readonly #feed: PodFeed;
  readonly #done: Promise<void>;
  /** The version at which the next watch resumes; undefined: a new list is needed. */
  #version: string | undefined;
  #failures = 0;
  #seen = new Set<string>();

  constructor(cluster: string, events: PodWatchEvents, dependencies: PodWatchDependencies) {
    const { clock } = dependencies;
    this.#dependencies = dependencies;
    this.#events = events;
    this.#table = new PodTable(cluster, clock, (end) => this.#tell(() => events.onEnd(end)));
    this.#liveness = new Liveness(clock, (status) => this.#tell(() => events.onStatus(status)));
    const sink = {
      page: (pods: readonly ObservedPod[]): void => this.#page(pods),
      event: (event: WatchEvent): void => this.#event(event),
      alive: (): void => this.#liveness.alive(),
    };
    this.#feed = new PodFeed(dependencies, sink, this.#closed.signal);
    this.#done = this.#run();
  }

  status(): 'starting' | 'live' | 'stale' {
    return this.#liveness.status();
  }

  find(uid: string): PodFacts | undefined {
    return this.#table.find(uid);
  }

  uidOf(namespace: string, name: string): string | undefined {
    return this.#table.uidOf(namespace, name);
  }

  uidOfContainer(id: string): string | undefined {
    return this.#table.uidOfContainer(id);
  }

  confirm(pod: PodName, { signal }: CallContext): Promise<PodFacts> {
    return confirmPod(this.#dependencies, pod, signal);
  }

  async close(): Promise<void> {
    this.#closed.abort();
    this.#liveness.close();
    this.#table.close();
    await this.#done;
  }

  async #run(): Promise<void> {
    this.#tell(() => this.#events.onStatus('starting'));
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
    this.#failures += 1;
    log.warn({ err, failures: this.#failures }, 'the pod watch was interrupted');
    if (!isTransport(err) || this.#failures >= FAILURES_UNTIL_RELIST) this.#version = undefined;
    const pause = backOffMs(this.#failures, random);
    await clock.sleep(pause, this.#closed.signal).catch(() => undefined);
  }

  async #relist(): Promise<string> {
    this.#seen = new Set();
    const known = this.#table.countAlive();
    const version = await this.#feed.list();
    const lost = this.#table.dropUnseen(this.#seen);
    this.#seen = new Set();
    const isMass = lost.length > MASS_LOSS.fewest && lost.length > known * MASS_LOSS.share;
    if (isMass) this.#tell(() => this.#events.onMassLoss(lost));
    else for (const end of lost) this.#tell(() => this.#events.onEnd(end));
    this.#version = version;
    this.#liveness.synced();
    return version;
  }

  #page(pods: readonly ObservedPod[]): void {
    for (const pod of pods) {
      this.#seen.add(pod.uid);
      this.#table.put(pod);
    }
  }

  #event(event: WatchEvent): void {
    // Lines that a suspended process finds in its socket are from before the suspension.
    if (this.#liveness.status() !== 'live') {
      throw new BrokerError('ERR_PROVIDER_FAILED', undefined, { reason: 'watch_stale' });
    }
    if (event.type === 'DELETED') this.#table.remove(event.pod.uid);
    else if (event.type !== 'BOOKMARK') this.#table.observe(event.pod);
    this.#version = event.version;
    this.#failures = 0;
  }

  /** A listener that throws must not end the watch. */
  #tell(listener: () => void): void {
    try {
      listener();
    } catch (err) {
      this.#dependencies.log.warn({ err }, 'a listener of the pod watch failed');
    }
  }
}

/** The connection broke: the next watch resumes where this one stopped. Any other error casts doubt on the known state. */
function isTransport(error: unknown): boolean {
  if (!(error instanceof BrokerError)) return false;
  return error.code === 'ERR_PROVIDER_UNAVAILABLE' || error.code === 'ERR_PROVIDER_TIMEOUT';
}
