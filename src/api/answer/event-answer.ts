import type { ServerResponse } from 'node:http';
import type { Feed } from '../../broker/events/follow-events.ts';
import type { ChangeEvent } from '../../domain/changes/change-event.ts';
import type { BrokerEvent } from '../../domain/secrets/broker-event.ts';
import type { KeptBytes } from '../../net/listener/kept-bytes.ts';

export const EVENT_STREAM_HEAD = [
  'Content-Type',
  'text/event-stream',
  // Proxies that buffer answers (nginx) then forward this one at once.
  'X-Accel-Buffering',
  'no',
] as const;

/** The most bytes that may wait to be sent to one client. */
const MOST_WAITING = 65_536;

/** Bytes that wait to be sent to one client. They count for its holder, as the bytes of each answer do. */
class Waiting {
  readonly #response: ServerResponse;
  readonly #for: Receiver;
  #bytes = 0;
  #isOver = false;

  constructor(response: ServerResponse, receiver: Receiver) {
    this.#response = response;
    this.#for = receiver;
  }

  write(text: string): void {
    const bytes = Buffer.byteLength(text);
    this.#count(bytes);
    this.#response.write(text, () => this.#count(-bytes));
  }

  /** Reports whether the client reads more slowly than events occur, or its holder has too many unread bytes. */
  get isTooMuch(): boolean {
    const { kept, holder } = this.#for;
    return this.#response.writableLength > MOST_WAITING || kept.isFull(holder);
  }

  end(): void {
    this.#count(-this.#bytes);
    this.#isOver = true;
  }

  #count(bytes: number): void {
    if (this.#isOver) return;
    this.#bytes += bytes;
    this.#for.kept.add(this.#for.holder, bytes);
  }
}

interface Receiver {
  readonly kept: KeptBytes;
  readonly holder: string;
}

/** A stream for a workload, whose events have ids, or for an operator. */
export type EventFeed = Feed<BrokerEvent> | Feed<ChangeEvent>;

/** Sends server-sent events (WHATWG HTML, "Server-sent events"). A client returns the id of an event in `Last-Event-ID`. */
export function sendEvents(
  response: ServerResponse,
  feed: Pick<EventFeed, 'start'>,
  receiver: Receiver,
): void {
  const waiting = new Waiting(response, receiver);
  const end = feed.start({
    send(event: BrokerEvent | ChangeEvent) {
      waiting.write(frame(event));
      return !waiting.isTooMuch;
    },
    beat: () => waiting.write(':\n\n'),
    end: () => void response.end(),
  });
  const over = (): void => {
    waiting.end();
    end();
  };
  if (response.destroyed) over();
  else response.once('close', over);
}

function frame(event: BrokerEvent | ChangeEvent): string {
  const { type, id, ...data } = { id: undefined, ...event };
  return `${id === undefined ? '' : `id: ${id}\n`}event: ${type}\ndata: ${JSON.stringify(data)}\n\n`;
}
