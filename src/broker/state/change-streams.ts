import { BrokerError } from '../../domain/errors.ts';
import type {
  AnnouncedChange,
  ChangeEvent,
  ChangeKind,
} from '../../domain/changes/change-event.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Log } from '../../ports/log.ts';
import type { Change, Store } from '../../ports/store.ts';
import type { State } from './change-follower.ts';
import { StreamPlaces } from './stream-places.ts';

/** The receiver of a stream of events. */
export interface EventSink<E> {
  /** Sends an event. False: the receiver is too slow, and should connect again. */
  send(event: E): boolean;
  /** Sends a heartbeat, so that both ends and every proxy in between see that the stream is alive. */
  beat(): void;
  end(): void;
}

/** One stream of an operator. Its rights are checked at each event, not once at its start. */
export interface ChangeStream {
  readonly sink: EventSink<ChangeEvent>;
  /** The changes that the operator may see now; undefined if its token has ended. */
  visible(changes: readonly AnnouncedChange[]): Promise<readonly AnnouncedChange[] | undefined>;
}

interface Open {
  readonly stream: ChangeStream;
  /** The delivery in progress; deliveries run one after another. */
  work: Promise<void>;
}

const PER_OPERATOR = 8;
const ALTOGETHER = 128;
const HEARTBEAT_MS = 15_000;
/** Changes are collected for this time, so a receiver gets at most five events a second. */
const PACE_MS = 200;
/** Most changes that are named one by one; beyond it, receivers read everything again. */
const NAMED = 1_000;

/** Kinds of the store's changes, and how they are announced. Other kinds are internal, or accompany one of these. */
const ANNOUNCED: Readonly<Record<string, (key: string) => AnnouncedChange>> = {
  secret: named('secret'),
  metadata: named('secret'),
  rotation: named('rotation'),
  canary: named('rotation'),
  document: named('document'),
  session: named('session'),
  // The key is a session.
  leases: () => ({ kind: 'lease' }),
  quarantine: () => ({ kind: 'quarantine' }),
  alert: named('alert'),
  approval: named('approval'),
  token: named('token'),
  evidence: named('evidence'),
  attestation: named('attestation'),
  'root-keys': () => ({ kind: 'keys' }),
};

function named(kind: ChangeKind): (key: string) => AnnouncedChange {
  return (id) => ({ kind, id });
}

/** Tells operators what changed. */
export interface Announcements {
  readonly changes: ChangeStreams;
}

/** The streams of operators in this process. The store's feed has the changes of all brokers. */
export class ChangeStreams {
  readonly #deps: ChangeStreamsDeps;
  readonly #open = new Set<Open>();
  readonly #places = new StreamPlaces('too many streams of changes are open');
  readonly #waiting = new Map<string, AnnouncedChange>();
  #isTooMany = false;
  #last = 0;
  #cancelDelivery: (() => void) | undefined;
  #cancelBeat: (() => void) | undefined;
  #isClosed = false;
  readonly #unwatch: () => void;

  constructor(deps: ChangeStreamsDeps) {
    this.#deps = deps;
    this.#unwatch = deps.store.watch((changes) => this.#take(changes));
  }

  get open(): number {
    return this.#places.taken;
  }

  /** Takes a place for a stream. @throws ERR_RATE_LIMITED if the operator, or all operators together, have as many streams as they may */
  reserve(operator: string): () => void {
    if (this.#isClosed) throw new BrokerError('ERR_BUSY', undefined, { retryAfterSeconds: 1 });
    return this.#places.take(operator, { ofOne: PER_OPERATOR, ofAll: ALTOGETHER });
  }

  /** Starts a stream. @returns a function that ends it */
  start(stream: ChangeStream): () => void {
    const open: Open = { stream, work: Promise.resolve() };
    this.#open.add(open);
    this.#send(open, { type: 'ready' });
    this.#cancelBeat ??= this.#scheduleBeat();
    return () => void this.#open.delete(open);
  }

  /** Ends every stream: receivers connect to another replica, or after the restart. */
  close(): void {
    this.#isClosed = true;
    this.#unwatch();
    this.#cancelDelivery?.();
    this.#cancelBeat?.();
    for (const open of this.#open) this.#end(open);
  }

  #take(changes: readonly Change[]): void {
    if (this.#open.size === 0) return;
    for (const { kind, key, seq } of changes) {
      const change = ANNOUNCED[kind]?.(key);
      if (change === undefined) continue;
      this.#last = seq;
      if (this.#waiting.size < NAMED)
        this.#waiting.set(`${change.kind} ${change.id ?? ''}`, change);
      else this.#isTooMany = true;
    }
    if (this.#waiting.size === 0) return;
    this.#cancelDelivery ??= this.#deps.clock.after(PACE_MS, () => void this.#deliver());
  }

  /** Waits until memory reflects the changes: a receiver that reads again must not get the old state. */
  async #deliver(): Promise<void> {
    const changes = [...this.#waiting.values()];
    const isReset = this.#isTooMany;
    this.#waiting.clear();
    this.#isTooMany = false;
    this.#cancelDelivery = undefined;
    await this.#deps.state.waitForChange(this.#last);
    for (const open of this.#open) this.#enqueue(open, () => this.#notify(open, changes, isReset));
  }

  async #notify(open: Open, changes: readonly AnnouncedChange[], isReset: boolean): Promise<void> {
    const visible = await open.stream.visible(changes);
    if (visible === undefined) {
      this.#send(open, { type: 'token.ended' });
      this.#end(open);
    } else if (isReset) this.#send(open, { type: 'reset' });
    else if (visible.length > 0) this.#send(open, { type: 'changed', changes: visible });
  }

  /** Sends nothing to a stream that ended meanwhile: a write after the end of an answer raises an error that terminates the process. */
  #send(open: Open, event: ChangeEvent): void {
    if (this.#open.has(open) && !open.stream.sink.send(event)) this.#end(open);
  }

  #enqueue(open: Open, work: () => Promise<void>): void {
    open.work = open.work.then(work).catch((error: unknown) => {
      this.#deps.log.warn({ err: error }, 'a stream of changes broke');
      this.#end(open);
    });
  }

  #end(open: Open): void {
    if (this.#open.delete(open)) open.stream.sink.end();
  }

  /** Tokens also expire, and no change reports that. */
  #scheduleBeat(): () => void {
    return this.#deps.clock.after(HEARTBEAT_MS, () => {
      for (const open of this.#open) {
        open.stream.sink.beat();
        this.#enqueue(open, () => this.#notify(open, [], false));
      }
      this.#cancelBeat = this.#open.size === 0 ? undefined : this.#scheduleBeat();
    });
  }
}

export interface ChangeStreamsDeps {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  readonly state: State;
}
