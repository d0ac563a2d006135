import { randomFraction } from '../../crypto/random/random.ts';
import { TILE_WIDTH } from '../../crypto/log/tiles.ts';
import type { LogCheckpoint } from '../../ports/audit-log.ts';
import { Backoff } from '../../ports/backoff.ts';
import type { Clock } from '../../ports/clock.ts';
import { DamagedLog } from '../log/log-damage.ts';
import type { LogReader } from '../log/log-reader.ts';
import type { SinkCursors } from './sink-cursor.ts';
import { SinkError, type Sink } from './sink.ts';

const INTERVAL_MS = 250;
/** Interval at which the lag is measured during a delivery. */
const LAG_MS = 1_000;
const FIRST_RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 60_000;
/** Longest delay if responses wait for the sink: a receiver that is reachable again must not stay unused for a minute. */
const LONGEST_AWAITED_RETRY_MS = 2_000;

export interface FollowerOptions {
  readonly reader: LogReader;
  readonly cursors: SinkCursors;
  readonly clock: Clock;
  readonly sink: Sink;
  /** Reports whether this process delivers. If several brokers have one receiver, only one of them delivers. */
  readonly isActive?: () => boolean;
  /** This installation did not write the sink's cursor: the sink gets the log again from the beginning. */
  readonly onForgedCursor?: () => void;
  /** The sink does not get the entries `[first, end)`, because they are archived. Its deliveries show the gap. */
  readonly onArchived?: (first: number, end: number) => void;
  /** The sink acknowledged these entries. */
  readonly onDelivered?: (entries: readonly string[]) => void;
  /** Entries before the end of the log with which a sink begins that has no cursor; from the beginning if absent. */
  readonly fromLast?: number;
  /** True if responses wait for the sink. */
  readonly isAwaited?: boolean;
  /** A delivery failed, or an entry does not verify. The follower retries both, and delivers nothing after them. */
  readonly onError?: (error: unknown) => void;
}

export interface FollowerStatus {
  /** Entries in the log that the sink lacks; undefined before the first poll. */
  readonly lag: number | undefined;
  /** The follower stopped before an entry that does not verify. */
  readonly isStopped: boolean;
  /** The last attempt failed; the follower retries. */
  readonly isFailing: boolean;
  /** True if the cursor was forged when the follower started. */
  readonly cursorForged: boolean;
}

/**
 * Delivers the log to one sink, from its cursor on. It reads entries in the tree, independently of commits, so a sink that hangs delays only itself.
 * It delivers neither an entry that does not verify nor any entry after it.
 */
export class Follower {
  readonly #options: FollowerOptions;
  readonly #backoff: Backoff;
  #next: number | undefined;
  /** The cursor as it is stored. */
  #cursor = 0;
  /** Index at which the follower continues after a failure. */
  #confirmed = 0;
  #status: FollowerStatus = {
    lag: undefined,
    isStopped: false,
    isFailing: false,
    cursorForged: false,
  };
  #cancel: () => void = () => undefined;
  #running: Promise<void> = Promise.resolve();
  #isStarted = false;
  #closed = false;

  constructor(options: FollowerOptions) {
    this.#options = options;
    const longest = options.isAwaited === true ? LONGEST_AWAITED_RETRY_MS : LONGEST_RETRY_MS;
    this.#backoff = new Backoff(FIRST_RETRY_MS, longest, randomFraction);
  }

  /** The name of the sink. */
  get name(): string {
    return this.#options.sink.name;
  }

  /** Number of entries before the cursor that may be delivered again; see `Sink`. */
  get unconfirmed(): number {
    return this.#options.sink.unconfirmed;
  }

  status(): FollowerStatus {
    return this.#status;
  }

  start(): void {
    this.#isStarted = true;
    this.#schedule(0);
  }

  /** Delivers the entries of the last checkpoint, without the usual pause. After a failure, the pause before the retry stays. */
  async deliver(): Promise<void> {
    if (!this.#isStarted || this.#closed || this.#status.isFailing) return;
    await this.#runNext();
  }

  /** Closes and opens the file after a log rotation: later deliveries go to the new file. */
  reopen(): Promise<void> {
    return this.#options.sink.reopen();
  }

  /**
   * Delivers the rest of the log, then stops. It abandons a sink that hangs after `graceMs`. The cursor has not moved then, so the next
   * start repeats the undelivered entries.
   */
  async close(graceMs: number): Promise<void> {
    await this.#waitFor(this.#runNext(), graceMs);
    this.#closed = true;
    this.#cancel();
    await this.#waitFor(this.#options.sink.close(), graceMs);
  }

  /** Waits for the work, at most for `graceMs`. No timer is left, which would keep the process alive. */
  async #waitFor(work: Promise<void>, graceMs: number): Promise<void> {
    const stop = new AbortController();
    const limit = this.#options.clock.sleep(graceMs, stop.signal).catch(() => undefined);
    await Promise.race([work, limit]).finally(() => stop.abort());
  }

  #schedule(ms: number): void {
    if (this.#closed) return;
    this.#cancel();
    this.#cancel = this.#options.clock.after(ms, () => void this.#runNext());
  }

  #runNext(): Promise<void> {
    this.#cancel();
    this.#running = this.#running.then(() => this.#run());
    return this.#running;
  }

  async #run(): Promise<void> {
    try {
      while (await this.#deliverSome());
      this.#status = { ...this.#status, isFailing: false };
      this.#schedule(INTERVAL_MS);
    } catch (error) {
      const isStopped = error instanceof DamagedLog;
      this.#status = { ...this.#status, isStopped, isFailing: true };
      if (this.#next !== undefined) this.#next = this.#confirmed;
      this.#options.onError?.(error);
      const after = error instanceof SinkError ? error.retryAfterSeconds : undefined;
      this.#schedule(this.#backoff.next(after));
    }
  }

  /** Delivers one part. @returns whether there is more. */
  async #deliverSome(): Promise<boolean> {
    const { reader, cursors, sink, onDelivered } = this.#options;
    if (!this.#isActive()) return false;
    const checkpoint = await reader.checkpoint();
    const size = checkpoint?.size ?? 0;
    const next = (this.#next ??= await this.#position(checkpoint));
    this.#status = { ...this.#status, lag: Math.max(0, size - next) };
    // One bundle at a time, so that its tile is proven once.
    const end = Math.min(size, next - (next % TILE_WIDTH) + TILE_WIDTH);
    if (this.#closed || checkpoint === undefined || end <= next) return false;
    const entries = await this.#readProven(checkpoint, next, end);
    const waiting = new AbortController();
    void this.#measureLag(next, waiting.signal);
    try {
      await sink.deliver({ origin: checkpoint.origin, first: next, entries });
    } finally {
      waiting.abort();
    }
    onDelivered?.(entries);
    this.#next = next + entries.length;
    // Repeated entries do not move the cursor backwards: each crash meanwhile would make it repeat more, and the archive may have removed those.
    if (this.#next > this.#cursor) {
      await cursors.move(sink.name, this.#next);
      this.#cursor = this.#next;
    }
    this.#confirmed = Math.max(this.#confirmed, this.#next - sink.unconfirmed);
    this.#backoff.reset();
    this.#status = { ...this.#status, isStopped: false, isFailing: false };
    return true;
  }

  /** Measures the lag during a delivery: otherwise a sink that hangs would look as if it had kept up. */
  async #measureLag(next: number, delivered: AbortSignal): Promise<void> {
    const { clock, reader } = this.#options;
    while (!this.#closed) {
      await clock.sleep(LAG_MS, delivered).catch(() => undefined);
      const checkpoint = await reader.checkpoint().catch(() => undefined);
      if (delivered.aborted) return;
      if (checkpoint !== undefined)
        this.#status = { ...this.#status, lag: Math.max(0, checkpoint.size - next) };
    }
  }

  #isActive(): boolean {
    const { isActive = () => true } = this.#options;
    if (isActive()) return true;
    // Another broker moves the cursor meanwhile.
    this.#next = undefined;
    this.#status = { ...this.#status, lag: undefined };
    return false;
  }

  /** The entries before the first one that does not verify. @throws DamagedLog if there are none */
  async #readProven(
    checkpoint: LogCheckpoint,
    next: number,
    end: number,
  ): Promise<readonly string[]> {
    const { entries, damage } = await this.#options.reader.some(checkpoint, next, end);
    const [broken] = damage;
    if (broken?.first === next) throw new DamagedLog(broken);
    const whole = entries.slice(0, (broken?.first ?? end) - next);
    return whole.filter((entry) => entry !== undefined);
  }

  async #position(checkpoint: LogCheckpoint | undefined): Promise<number> {
    const { reader, cursors, sink, onForgedCursor, onArchived, fromLast } = this.#options;
    const size = checkpoint?.size ?? 0;
    const start = fromLast === undefined ? 0 : Math.max(0, size - fromLast);
    const { next, forged, isNew } = await cursors.read(sink.name, size, start);
    if (forged) onForgedCursor?.();
    // A sink that begins near the end must not begin later after each restart until its first success.
    if (isNew && fromLast !== undefined) await cursors.move(sink.name, start);
    this.#status = { ...this.#status, cursorForged: forged };
    this.#cursor = next;
    // A sink that is new, or whose cursor was forged, gets the log from where it begins now.
    const live = await reader.archived.end();
    if (live > next) onArchived?.(next, live);
    this.#confirmed = Math.max(live, next - sink.unconfirmed);
    return this.#confirmed;
  }
}
