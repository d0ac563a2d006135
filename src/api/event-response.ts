import type { ServerResponse } from 'node:http';
import type { EventFeed } from '../broker/follow-events.ts';
import type { BrokerEvent } from '../domain/broker-event.ts';

export const EVENT_STREAM_HEAD = [
  'Content-Type',
  'text/event-stream',
  // Proxies that gather what they pass on (nginx) let this one through at once.
  'X-Accel-Buffering',
  'no',
] as const;

/** What waits to be sent to one receiver at most. */
const MOST_WAITING = 65_536;

/** Server-sent events (WHATWG HTML, "Server-sent events"): each has an id, which `Last-Event-ID` brings back. */
export function sendEvents(response: ServerResponse, feed: EventFeed): void {
  const end = feed.start({
    send(event) {
      response.write(frame(event));
      return response.writableLength <= MOST_WAITING;
    },
    beat: () => void response.write(':\n\n'),
    end: () => void response.end(),
  });
  if (response.destroyed) end();
  else response.once('close', end);
}

function frame({ type, id, ...data }: BrokerEvent): string {
  return `id: ${id}\nevent: ${type}\ndata: ${JSON.stringify(data)}\n\n`;
}
