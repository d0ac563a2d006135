import { BrokerError } from '../../domain/errors.ts';
import type { BrokerEvent } from '../../domain/secrets/broker-event.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Log } from '../../ports/log.ts';
import type { Change, Store } from '../../ports/store.ts';
import { CHANGES, LEASES } from '../../ports/queries.ts';
import { listAll } from '../kernel/list-all.ts';
import type { State } from './change-follower.ts';
import type { EventSink } from './change-streams.ts';
import { StreamPlaces } from './stream-places.ts';

/** One stream. Its access is checked at each event, not once at its start. */
export interface EventStream {
  readonly sessionId: string;
  /** Fence keys of the session that follows the stream. */
  readonly fences: readonly string[];
  readonly sink: EventSink<BrokerEvent>;
  /** Reports whether the session is still valid. */
  isStillAllowed(): Promise<boolean>;
  mayRead(path: string): boolean;
}

interface Open {
  readonly stream: EventStream;
  /** Changes up to this number were delivered, or precede the stream. */
  seen: number;
  /** The delivery in progress; deliveries run one after another. */
  work: Promise<void>;
}

const PER_HOLDER = 4;
const HEARTBEAT_MS = 15_000;
const REPLAY = 10_000;
/** Kinds of changes after which a session may have ended. */
const ENDING = new Set(['session', 'pod', 'workload', 'cluster']);
/** Kinds of changes that are relevant to a stream. */
const REPORTED = new Set([...ENDING, 'leases', 'secret']);

/** Notifies the holders of secrets. */
export interface Streams {
  readonly events: EventStreams;
}

/** The streams of this process. It delivers committed changes, in order, to the sessions that they concern. */
export class EventStreams {
  readonly #deps: EventStreamsDeps;
  readonly #bySession = new Map<string, Set<Open>>();
  readonly #places = new StreamPlaces('too many event streams are open');
  /** The last change taken from the store: a stream that starts now misses none after it. */
  #taken: number;
  /** Changes queued behind the delivery in progress, by kind and key. Of several changes of one secret only the last is reported. */
  readonly #waiting = new Map<string, Change>();
  #isDelivering = false;
  #cancelBeat: (() => void) | undefined;
  #isClosed = false;
  readonly #unwatch: () => void;

  constructor(deps: EventStreamsDeps) {
    this.#deps = deps;
    this.#taken = deps.store.seq();
    this.#unwatch = deps.store.watch((changes) => this.#take(changes));
  }

  get open(): number {
    return this.#places.taken;
  }

  /** Streams of one session that are open in this process. */
  openOf(sessionId: string): number {
    return this.#bySession.get(sessionId)?.size ?? 0;
  }

  /** Number of streams open in this process whose session depends on the fence key. */
  openUnder(fence: string): number {
    return [...this.#all()].filter(({ stream }) => stream.fences.includes(fence)).length;
  }

  /**
   * `holder`: streams with the same holder share a limit.
   * @throws ERR_RATE_LIMITED if the holder, or the whole process, has reached its limit.
   */
  reserve(holder: string): () => void {
    if (this.#isClosed) throw new BrokerError('ERR_BUSY', undefined, { retryAfterSeconds: 1 });
    return this.#places.take(holder, { ofOne: PER_HOLDER, ofAll: this.#deps.limits.eventStreams });
  }

  /**
   * Starts a stream and delivers the events after `since` first.
   * @returns a function that ends the stream.
   */
  start(stream: EventStream, since: number | undefined): () => void {
    const open: Open = { stream, seen: this.#taken, work: Promise.resolve() };
    const own = this.#bySession.get(stream.sessionId) ?? new Set();
    this.#bySession.set(stream.sessionId, own.add(open));
    this.#cancelBeat ??= this.#scheduleBeat();
    const { seen } = open;
    this.#enqueue(open, async () => {
      if (since !== undefined) await this.#replay(open, since, seen);
      this.#send(open, { type: 'ready', id: seen });
    });
    return () => this.#forget(open);
  }

  /** Ends every stream: receivers reconnect to another replica, or after the restart. */
  endAll(): void {
    for (const open of this.#all()) this.#end(open);
  }

  close(): void {
    this.#isClosed = true;
    this.#unwatch();
    this.endAll();
    this.#cancelBeat?.();
  }

  #take(changes: readonly Change[]): void {
    this.#taken = changes.at(-1)?.seq ?? this.#taken;
    if (this.#bySession.size === 0) return;
    for (const change of changes) {
      if (!REPORTED.has(change.kind)) continue;
      const place = `${change.kind}:${change.key}`;
      // The latest change of a key has the highest number, so it moves to the end of the queue.
      this.#waiting.delete(place);
      this.#waiting.set(place, change);
    }
    if (!this.#isDelivering) void this.#deliverAll();
  }

  async #deliverAll(): Promise<void> {
    this.#isDelivering = true;
    try {
      while (this.#waiting.size > 0) {
        const changes = [...this.#waiting.values()];
        this.#waiting.clear();
        await this.#deliver(changes);
      }
    } catch (error) {
      // A receiver that missed an event reconnects with the last id that it has, and receives the rest.
      this.#deps.log.error(
        { err: error },
        'changes could not be reported; the event streams were ended',
      );
      this.#waiting.clear();
      this.endAll();
    } finally {
      this.#isDelivering = false;
    }
  }

  /** Waits until memory reflects the changes: a client that reads again after an event must not get the old value. */
  async #deliver(changes: readonly Change[]): Promise<void> {
    await this.#deps.state.waitForChange(changes.at(-1)?.seq ?? 0);
    for (const change of changes) {
      const concerned = await this.#findConcerned(change);
      for (const open of concerned) this.#enqueue(open, async () => this.#notify(open, change));
    }
  }

  async #findConcerned({ kind, key }: Change): Promise<readonly Open[]> {
    if (kind === 'leases') return [...(this.#bySession.get(key) ?? [])];
    if (kind === 'session') return [...(this.#bySession.get(key) ?? [])];
    if (ENDING.has(kind)) return [...this.#all()];
    if (kind !== 'secret') return [];
    const holders = new Set<string>();
    for await (const row of listAll(this.#deps.store, LEASES.liveOfPath(key))) {
      if (this.#bySession.has(row.session_id)) holders.add(row.session_id);
    }
    return [...holders].flatMap((session) => [...(this.#bySession.get(session) ?? [])]);
  }

  async #notify(open: Open, { seq: id, kind, key: path }: Change): Promise<void> {
    const { stream } = open;
    if (id <= open.seen) return;
    open.seen = id;
    if (!(await stream.isStillAllowed())) {
      this.#send(open, { type: 'session.ended', id });
      this.#end(open);
      return;
    }
    if (kind === 'leases') this.#send(open, { type: 'leases.changed', id });
    else if (kind === 'secret' && stream.mayRead(path)) {
      this.#send(open, { type: 'secret.changed', id, path });
    }
  }

  /** Sends nothing to a stream that ended meanwhile: a write after the end of an answer raises an error that terminates the process. */
  #send(open: Open, event: BrokerEvent): void {
    if (this.#isOpen(open) && !open.stream.sink.send(event)) this.#end(open);
  }

  /** Sends the stored changes after `since`, up to `until`, that concern this session. */
  async #replay(open: Open, since: number, until: number): Promise<void> {
    const { stream } = open;
    if (since === until) return;
    const { store } = this.#deps;
    const rows = await store.list(CHANGES.from(since), { limit: REPLAY });
    const missed = rows.filter(({ seq }) => seq > since && seq <= until);
    // If the row of `since` is still there, no later row was pruned. An id from another store matches no row.
    if (rows[0]?.seq !== since || missed.at(-1)?.seq !== until) {
      this.#send(open, { type: 'reset', id: until });
      return;
    }
    const held = await this.#listLeasedPaths(stream.sessionId);
    for (const { seq: id, kind, key } of missed) {
      if (kind === 'leases' && key === stream.sessionId) {
        this.#send(open, { type: 'leases.changed', id });
      } else if (kind === 'secret' && held.has(key) && stream.mayRead(key)) {
        this.#send(open, { type: 'secret.changed', id, path: key });
      }
    }
  }

  async #listLeasedPaths(session: string): Promise<ReadonlySet<string>> {
    const paths = new Set<string>();
    for await (const row of listAll(this.#deps.store, LEASES.liveOfSession(session))) {
      paths.add(row.path);
    }
    return paths;
  }

  #enqueue(open: Open, work: () => Promise<void>): void {
    open.work = open.work.then(work).catch((error: unknown) => {
      this.#deps.log.warn({ err: error, session: open.stream.sessionId }, 'an event stream broke');
      this.#end(open);
    });
  }

  #end(open: Open): void {
    if (this.#forget(open)) open.stream.sink.end();
  }

  #isOpen(open: Open): boolean {
    return this.#bySession.get(open.stream.sessionId)?.has(open) === true;
  }

  #forget(open: Open): boolean {
    const own = this.#bySession.get(open.stream.sessionId);
    if (own?.delete(open) !== true) return false;
    if (own.size === 0) this.#bySession.delete(open.stream.sessionId);
    return true;
  }

  *#all(): Generator<Open> {
    for (const own of [...this.#bySession.values()]) yield* [...own];
  }

  /** Sessions also expire, and no change reports that. */
  #scheduleBeat(): () => void {
    return this.#deps.clock.after(HEARTBEAT_MS, () => {
      for (const open of this.#all()) {
        open.stream.sink.beat();
        this.#enqueue(open, async () => this.#endIfOver(open));
      }
      this.#cancelBeat = this.#bySession.size === 0 ? undefined : this.#scheduleBeat();
    });
  }

  async #endIfOver(open: Open): Promise<void> {
    if (await open.stream.isStillAllowed()) return;
    this.#send(open, { type: 'session.ended', id: open.seen });
    this.#end(open);
  }
}

export interface EventStreamsDeps {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  readonly state: State;
  /** Limit of open streams. It may change while the broker runs. */
  readonly limits: { readonly eventStreams: number };
}
