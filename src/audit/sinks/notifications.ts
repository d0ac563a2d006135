import { isDeepStrictEqual } from 'node:util';
import { Follower, type FollowerOptions } from './follower.ts';
import type { NotificationsConfig, NotificationTarget } from './config.ts';
import { NotificationSink } from './notification-sink.ts';

/** Entries before the end of the log with which a new receiver begins: it needs no news of last year. */
const FROM_LAST = 1_000;

interface Notifier {
  readonly name: string;
  readonly target: NotificationTarget;
  readonly sink: NotificationSink;
  readonly follower: Follower;
}

export interface NotificationDeps extends Pick<
  FollowerOptions,
  'reader' | 'cursors' | 'clock' | 'isActive'
> {
  readonly onError: (receiver: string, error: unknown) => void;
  readonly onForgedCursor: (receiver: string) => void;
}

export interface NotifierStatus {
  readonly name: string;
  /** Events that the receiver accepted from this process. */
  readonly delivered: number;
  /** Events that it has not accepted, at least. */
  readonly undelivered: number;
  readonly isFailing: boolean;
}

/** The receivers of notifications, each with its own place in the log. */
export class Notifications {
  readonly #deps: NotificationDeps;
  #notifiers: readonly Notifier[] = [];
  #leaving: Promise<unknown> = Promise.resolve();

  constructor(deps: NotificationDeps) {
    this.#deps = deps;
  }

  get followers(): readonly Follower[] {
    return this.#notifiers.map(({ follower }) => follower);
  }

  /** Notifies these receivers from now on. */
  replace(config: NotificationsConfig, graceMs: number): void {
    const before = this.#notifiers;
    this.#notifiers = Object.entries(config).map(([name, target]) => {
      const known = before.find((each) => each.name === name);
      if (known !== undefined && isDeepStrictEqual(known.target, target)) return known;
      const opened = this.#open(name, target);
      void this.#leaving.then(() => opened.follower.start());
      return opened;
    });
    const leaving = before.filter((former) => !this.#notifiers.includes(former));
    const closed = leaving.map(({ follower }) => follower.close(graceMs));
    this.#leaving = Promise.all([this.#leaving, ...closed]);
  }

  async close(graceMs: number): Promise<void> {
    await this.#leaving;
    await Promise.all(this.#notifiers.map(({ follower }) => follower.close(graceMs)));
  }

  /** The state of each receiver. */
  status(): readonly NotifierStatus[] {
    return this.#notifiers.map(({ name, sink, follower }) => {
      const { lag, isFailing } = follower.status();
      // Without a lag, another broker delivers now.
      const undelivered = lag === undefined ? 0 : sink.undelivered;
      return { name, delivered: sink.delivered, undelivered, isFailing };
    });
  }

  #open(name: string, target: NotificationTarget): Notifier {
    const { onError, onForgedCursor, ...deps } = this.#deps;
    const sink = new NotificationSink(name, target, deps.clock);
    const follower = new Follower({
      ...deps,
      sink,
      fromLast: FROM_LAST,
      onError: (error) => onError(name, error),
      onForgedCursor: () => onForgedCursor(name),
    });
    return { name, target, sink, follower };
  }
}
