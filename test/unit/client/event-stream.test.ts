import { setImmediate } from 'node:timers/promises';
import { afterEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { BrokerClient } from '../../../src/client/index.ts';
import { EventStreamParser, type StreamedEvent } from '../../../src/client/event-stream.ts';
import { problem, ScriptedBroker, type Step } from '../../kit/fakes/scripted-broker.ts';
import { HandClock } from '../../kit/time/hand-clock.ts';

function parsed(...pieces: readonly Uint8Array[]): readonly StreamedEvent[] {
  const parser = new EventStreamParser();
  return pieces.flatMap((piece) => parser.push(piece));
}
const text = (...lines: readonly string[]): Buffer => Buffer.from(lines.join('\n'));

describe('the event stream', () => {
  it('has events ended by an empty line, and skips comments and unknown fields', () => {
    const events = parsed(
      text('\uFEFF:', ':hello', 'id: 1', 'event: ready', 'retry: 5', 'x', 'data: {}', '', ''),
    );
    expect(events).toEqual([{ id: '1', event: 'ready', data: '{}' }]);
  });

  it('joins lines of data, keeps the id, and needs data', () => {
    const events = parsed(
      text('id: 7', 'data:a', 'data: b', 'data', '', 'event: x', '', 'data: c', '', ''),
    );
    expect(events).toEqual([
      { id: '7', event: 'message', data: 'a\nb\n' },
      { id: '7', event: 'message', data: 'c' },
    ]);
  });

  it('gives the same events for any split and any line ending', () => {
    const bytes = Buffer.from(
      'id: 1\r\nevent: é\r\ndata: {"p":"ü"}\r\rdata: 2\n\n:\n\nid\ndata: 3\r\n\r\n',
    );
    const whole = parsed(bytes);
    expect(whole).toHaveLength(3);
    fc.assert(
      fc.property(fc.array(fc.nat(bytes.length), { maxLength: 20 }), (cuts) => {
        const at = [0, ...cuts.sort((a, b) => a - b), bytes.length];
        const pieces = at.slice(1).map((end, index) => bytes.subarray(at[index], end));
        expect(parsed(...pieces)).toEqual(whole);
      }),
    );
  });

  it('fails for an endless line or event', () => {
    const long = Buffer.alloc(66_000, 'x');
    expect(() => parsed(long)).toThrow('too long');
    const lines = Array.from({ length: 70 }, () => text(`data: ${'x'.repeat(1000)}`, ''));
    expect(() => parsed(...lines)).toThrow('too long');
    expect(() => parsed(Buffer.from('data\n'.repeat(66_000)))).toThrow('too long');
  });
});

describe('following events', () => {
  let broker: ScriptedBroker;
  let clock: HandClock;
  afterEach(() => broker.close());

  async function follow(step: Step, lastEventId?: string, signal = new AbortController().signal) {
    broker = await ScriptedBroker.start(step);
    clock = new HandClock();
    return new BrokerClient({ url: broker.url, clock }).events({ lastEventId, signal });
  }
  const streaming =
    (...pieces: readonly string[]): Step =>
    (response) => {
      response.writeHead(200, { 'Content-Type': 'text/event-stream' });
      for (const piece of pieces) response.write(piece);
    };

  it('yields known events, and ends with the stream', async () => {
    const events = await follow((response) => {
      streaming(
        'id: 3\nevent: reset\ndata: {}\n\n:\n\n',
        'id: 4\nevent: new.kind\ndata: {"x":1}\n\n',
        'id: 5\nevent: secret.changed\ndata: {"path":"a/b"}\n\n',
      )(response, undefined as never);
      response.end();
    }, '2');
    const seen = [];
    for await (const event of events) seen.push(event);
    expect(seen).toEqual([
      { event: 'reset', id: '3', data: {} },
      { event: 'secret.changed', id: '5', data: { path: 'a/b' } },
    ]);
    expect(broker.received[0]?.headers['last-event-id']).toBe('2');
  });

  it('fails after 45 seconds of silence, unless a comment arrives', async () => {
    let beat = (): void => undefined;
    const events = await follow((response) => {
      streaming('id: 1\nevent: ready\ndata: {}\n\n')(response, undefined as never);
      beat = () => void response.write(':\n\nid: 2\nevent: leases.changed\ndata: {}\n\n');
    });
    await events.next();
    const second = events.next();
    clock.advance(44_000);
    beat();
    expect((await second).value).toMatchObject({ event: 'leases.changed' });
    const third = events.next();
    const failed = expect(third).rejects.toMatchObject({ reason: 'silent' });
    // The caller is waiting by then.
    await setImmediate();
    clock.advance(45_000);
    await failed;
  });

  it('passes on a refusal, with Retry-After', async () => {
    const events = await follow(problem(429, 'ERR_RATE_LIMITED', { retryAfter: '30' }));
    await expect(events.next()).rejects.toMatchObject({
      code: 'ERR_RATE_LIMITED',
      retryAfterSeconds: 30,
    });
  });

  it('waits for the rest of a refusal no longer than the time-out of an attempt', async () => {
    broker = await ScriptedBroker.start((response) => {
      response.writeHead(429, { 'Content-Type': 'application/problem+json' }).write('{"code"');
    });
    const events = new BrokerClient({ url: broker.url, timeoutMs: 200 }).events();
    await expect(events.next()).rejects.toMatchObject({ reason: 'timeout' });
  });

  it('refuses an answer that is not a stream, and an unknown event', async () => {
    const page = await follow((response) => void response.writeHead(200).end('<html>'));
    await expect(page.next()).rejects.toMatchObject({ reason: 'not_ours' });
    await broker.close();
    const odd = await follow(streaming('event: secret.changed\ndata: {"path":\n\n'));
    await expect(odd.next()).rejects.toMatchObject({ reason: 'not_ours' });
  });

  it('reports a cut connection', async () => {
    const events = await follow((response, request) => {
      streaming('id: 1\nevent: ready\ndata: {}\n\n')(response, request);
      response.write(':\n', () => request.socket.destroy());
    });
    await expect(
      (async () => {
        for await (const event of events) expect(event.event).toBe('ready');
      })(),
    ).rejects.toMatchObject({ reason: 'cut_off' });
  });

  it('closes the connection when the caller stops reading', async () => {
    const { promise: closed, resolve } = Promise.withResolvers<undefined>();
    const events = await follow((response, request) => {
      request.socket.once('close', () => resolve(undefined));
      streaming('id: 1\nevent: ready\ndata: {}\n\n')(response, request);
    });
    for await (const event of events) {
      expect(event.id).toBe('1');
      break;
    }
    await closed;
  });
});
