import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import { sendEvents } from '../../../../src/api/answer/event-answer.ts';
import type { EventSink } from '../../../../src/broker/state/change-streams.ts';
import { KeptBytes } from '../../../../src/net/listener/kept-bytes.ts';
import { until } from '../../../kit/backends/until.ts';

const MIB = 1024 * 1024;
const event = { type: 'secret.changed', id: '1', path: 'x'.repeat(60_000) } as never;

/** A stream whose receiver reads nothing. */
async function unread(kept: KeptBytes): Promise<{
  readonly sink: EventSink<unknown>;
  readonly isEnded: () => boolean;
  readonly close: () => Promise<void>;
}> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1').pause();
  socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  const [, response] = (await once(server, 'request')) as [unknown, ServerResponse];
  let sink: EventSink<unknown> | undefined;
  let isEnded = false;
  const start = (given: EventSink<never>): (() => void) => {
    sink = given;
    return () => (isEnded = true);
  };
  sendEvents(response, { start }, { kept, holder: 'a' });
  const close = async (): Promise<void> => {
    socket.destroy();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  return { sink: sink!, isEnded: () => isEnded, close };
}

describe('unread events', () => {
  it('are counted for their holder, which gets Retry-After when its share is full (DI08)', async () => {
    const kept = new KeptBytes({ ofOne: MIB / 16, ofAll: MIB });
    const { sink, isEnded, close } = await unread(kept);
    let sent = 0;
    while (sink.send(event)) sent += 1;
    expect(kept.isFull('a')).toBe(true);
    // The kernel buffers some megabytes first.
    expect(sent).toBeLessThan(200);
    await close();
    await until('the stream is over', () => Promise.resolve(isEnded()));
    expect(kept.all).toBe(0);
  });

  it('are no longer counted when the kernel has them', async () => {
    const kept = new KeptBytes({ ofOne: MIB, ofAll: MIB });
    const { sink, close } = await unread(kept);
    expect(sink.send(event)).toBe(true);
    await until('it is sent', () => Promise.resolve(kept.all === 0));
    await close();
  });
});
