import { Agent, request as httpsRequest } from 'node:https';
import { connect } from 'node:net';
import { connect as tlsConnect, type TLSSocket } from 'node:tls';
import { once } from 'node:events';
import { setImmediate as turn } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { answerReview } from '../../../../src/delivery/injector/review.ts';
import { WebhookServer, type Review } from '../../../../src/delivery/injector/webhook-server.ts';
import { systemClock } from '../../../../src/process/clock.ts';
import type { Clock } from '../../../../src/ports/clock.ts';
import { CertificateAuthority } from '../../../kit/network/certificates.ts';
import { until } from '../../../kit/backends/until.ts';
import { HandClock } from '../../../kit/time/hand-clock.ts';
import { podWith, SETTINGS } from '../../../kit/delivery/injected-pods.ts';

const authority = new CertificateAuthority();
const issue = (): { cert: string; key: string } =>
  authority.issue({ commonName: 'injector', ipAddresses: ['127.0.0.1'] });
const listening = { host: '127.0.0.1', port: 0 };

interface Wanted {
  readonly clientCa?: () => string;
  readonly clock?: Clock;
}

const answering: Review = async (document) => (await answerReview(document, SETTINGS))?.body;

function serverWith({ clock, ...options }: Wanted = {}, review = answering): WebhookServer {
  const deps = { clock: clock ?? systemClock, reviews: { '/inject': review } };
  return new WebhookServer({ ...listening, ...options }, issue(), deps);
}

interface Sent {
  readonly method?: string;
  readonly path?: string;
  readonly type?: string;
  readonly body?: string | Buffer;
  readonly agent?: Agent;
  readonly client?: { readonly cert: string; readonly key: string };
}

async function ask(
  port: number,
  {
    method = 'POST',
    path = '/inject?timeout=5s',
    type = 'application/json',
    body = '',
    agent,
    client,
  }: Sent,
): Promise<{ readonly status: number; readonly json: unknown }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; json: unknown }>();
  const outgoing = httpsRequest(
    {
      host: '127.0.0.1',
      port,
      method,
      path,
      ca: authority.cert,
      agent: agent ?? false,
      headers: { 'content-type': type },
      ...client,
    },
    (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => (text += chunk));
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, json: text === '' ? '' : JSON.parse(text) }),
      );
    },
  );
  outgoing.on('error', reject);
  outgoing.end(body);
  return promise;
}

function review(object: unknown, more: Readonly<Record<string, unknown>> = {}): string {
  const resource = { group: '', version: 'v1', resource: 'pods' };
  const request = { uid: 'u-1', operation: 'CREATE', namespace: 'shop', resource, object, ...more };
  return JSON.stringify({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', request });
}

describe('the webhook', () => {
  const server = serverWith();
  let port: number;
  beforeAll(async () => {
    ({ port } = await server.listen());
  });
  afterAll(() => server.close());

  it('answers a review with a patch', async () => {
    const { status, json } = await ask(port, { body: review(podWith({})) });
    expect(status).toBe(200);
    expect(json).toEqual({
      apiVersion: 'admission.k8s.io/v1',
      kind: 'AdmissionReview',
      response: { uid: 'u-1', allowed: true, patchType: 'JSONPatch', patch: expect.any(String) },
    });
  });

  it('answers a review with every problem', async () => {
    const { json } = await ask(port, { body: review(podWith({ once: 'x', typo: 'y' })) });
    expect(json).toMatchObject({
      response: {
        uid: 'u-1',
        allowed: false,
        status: { code: 422, message: expect.stringMatching(/typo: .*; .*once: /) },
      },
    });
  });

  it.each([
    ['that is updated', { operation: 'UPDATE' }],
    ['of another kind', { resource: { group: 'apps', version: 'v1', resource: 'deployments' } }],
    ['by way of a subresource', { subResource: 'ephemeralcontainers' }],
  ])('allows an object %s, whatever it is', async (_what, more) => {
    const { json } = await ask(port, { body: review({ nonsense: true }, more) });
    expect(json).toMatchObject({ response: { uid: 'u-1', allowed: true } });
  });

  it.each([
    ['nothing', ''],
    ['text that is not JSON', '{'],
    ['no UTF-8', Buffer.from([0x22, 0xff, 0x22])],
    ['an object that is not a review', '{}'],
    ['a review of another version', review({}).replace('/v1"', '/v1beta1"')],
    ['a review without an id', review(podWith({})).replace('"uid":"u-1",', '')],
    ['a pod without containers', review({ spec: { containers: [] } })],
    ['a pod that is not an object', review(7)],
    [
      'annotations that are not texts',
      review({ ...podWith({}), metadata: { annotations: { a: 1 } } }),
    ],
    ['a deep nest', '['.repeat(100_000)],
  ])('refuses %s with 400', async (_what, body) => {
    expect(await ask(port, { body })).toEqual({ status: 400, json: '' });
  });

  it.each([
    [{ path: '/' }, 404],
    [{ path: '/inject/' }, 404],
    [{ path: '/metrics', method: 'GET' }, 404],
    [{ method: 'GET' }, 405],
    [{ method: 'PUT' }, 405],
    [{ type: 'text/plain' }, 415],
    [{ type: '' }, 415],
  ])('refuses %j with %i', async (sent, status) => {
    expect(await ask(port, sent)).toEqual({ status, json: '' });
  });

  it('reads at most 3 MiB, with or without a stated length', async () => {
    const long = review({ ...podWith({}), filler: 'x'.repeat(3 * 1024 * 1024) });
    const refused = await ask(port, { body: long }).catch(() => ({ status: 413 }));
    expect(refused.status).toBe(413);
    const fitting = review({ ...podWith({}), filler: 'x'.repeat(2 * 1024 * 1024) });
    expect((await ask(port, { body: fitting })).status).toBe(200);
  });

  it('refuses connections without TLS', async () => {
    const socket = connect(port, '127.0.0.1');
    socket.write('POST /inject HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n');
    let received = '';
    socket.on('data', (chunk: Buffer) => (received += chunk.toString('latin1')));
    socket.on('error', () => undefined);
    await once(socket, 'close');
    expect(received).not.toContain('HTTP/1.1 200');
  });
});

describe('the webhook under load', () => {
  it.each([
    ['nesting that is slow to parse', review({ x: '@' }).replace('"@"', '['.repeat(1_000_000))],
    ['a million values', review({ x: Array(1_000_000).fill(1) })],
  ])('parses no review with %s (DI01)', async (_what, body) => {
    let reviewed: unknown = 'nothing';
    const server = serverWith({}, (document) => {
      reviewed = document;
      return Promise.resolve(undefined);
    });
    const { port } = await server.listen();
    expect(await ask(port, { body })).toEqual({ status: 400, json: '' });
    expect(reviewed).toBeUndefined();
    await server.close();
  });

  it('answers one review in each turn of the event loop, however many arrived at once (DI01)', async () => {
    const turns: number[] = [];
    let turn = 0;
    let counting = setImmediate(function count() {
      turn += 1;
      counting = setImmediate(count);
    });
    const server = serverWith({}, () => {
      turns.push(turn);
      return Promise.resolve({});
    });
    const { port } = await server.listen();
    const asked = Array.from({ length: 20 }, () => ask(port, { body: '{}' }));
    await Promise.all(asked);
    clearImmediate(counting);
    expect(new Set(turns).size).toBe(20);
    await server.close();
  });

  it('closes silent connections of one network beyond 128, so that a review of it is answered (DI02)', async () => {
    const server = serverWith();
    const { port } = await server.listen();
    const idle = await Promise.all(
      Array.from({ length: 128 }, async () => {
        const socket = connect(port, '127.0.0.1');
        await once(socket, 'connect');
        return socket;
      }),
    );
    for (const socket of idle) socket.on('error', () => undefined);
    expect((await ask(port, { body: review(podWith({})) })).status).toBe(200);
    expect(server.connections.open).toBeLessThanOrEqual(128);
    for (const socket of idle) socket.destroy();
    await server.close();
  });

  it('keeps at most 6 MiB of unfinished reviews of one network, and answers again after they end (DI02)', async () => {
    const server = serverWith();
    const { port } = await server.listen();
    let sockets: readonly TLSSocket[] = [];
    // On a busy machine the server ends an unfinished review before the others have come.
    const fill = async (): Promise<void> => {
      const open = sockets.filter(({ destroyed }) => !destroyed);
      const missing = Array.from({ length: 3 - open.length }, () => unfinished(port, 2 * MIB));
      sockets = [...open, ...(await Promise.all(missing))];
    };
    const body = review({ ...podWith({}), filler: 'x'.repeat(MIB) });
    const answered = async (): Promise<number> =>
      (await ask(port, { body }).catch(() => ({ status: 429 }))).status;
    await until('a review is refused', async () => {
      await fill();
      return (await answered()) === 429;
    });
    for (const socket of sockets) socket.destroy();
    await until('a review is answered', async () => (await answered()) === 200);
    await server.close();
  });
});

const MIB = 1024 * 1024;

/** Sends `bytes` of a longer review, and then nothing more. */
async function unfinished(port: number, bytes: number): Promise<TLSSocket> {
  const socket = tlsConnect({ port, host: '127.0.0.1', ca: authority.cert });
  socket.on('error', () => undefined);
  await once(socket, 'secureConnect');
  const head = ['POST /inject HTTP/1.1', 'Host: x', 'Content-Type: application/json'];
  socket.write(`${head.join('\r\n')}\r\nContent-Length: ${3 * MIB}\r\n\r\n`);
  socket.write(Buffer.alloc(bytes, ' '));
  return socket;
}

describe('the webhook with an authority for its callers', () => {
  it('refuses callers without a certificate of it, also after its own was replaced', async () => {
    const server = serverWith({ clientCa: () => authority.cert });
    const { port } = await server.listen();
    const body = review(podWith({}));
    for (let rounds = 0; rounds < 2; rounds += 1) {
      expect((await ask(port, { body, client: issue() })).status).toBe(200);
      await expect(ask(port, { body })).rejects.toThrow();
      const stranger = new CertificateAuthority('stranger').issue({ commonName: 'x' });
      await expect(ask(port, { body, client: stranger })).rejects.toThrow();
      server.present(issue());
    }
    await server.close();
  });
});

describe('the webhook that drains', () => {
  const keepsAlive = (): Agent => new Agent({ keepAlive: true, maxSockets: 1, ca: authority.cert });

  /** The status of a review, and what the server says about the connection. */
  async function askOver(agent: Agent, port: number): Promise<readonly unknown[]> {
    const { promise, resolve, reject } = Promise.withResolvers<readonly unknown[]>();
    const headers = { 'content-type': 'application/json' };
    const options = { host: '127.0.0.1', port, method: 'POST', path: '/inject', agent, headers };
    httpsRequest(options, (response) => {
      const { connection, 'keep-alive': keepAlive } = response.headers;
      response.resume().on('end', () => resolve([response.statusCode, connection, keepAlive]));
    })
      .on('error', reject)
      .end(review(podWith({})));
    return promise;
  }

  it('leaves idle connections to their callers, answers on them once more, and then has none', async () => {
    const server = serverWith();
    const { port } = await server.listen();
    const agents = [keepsAlive(), keepsAlive()];
    const askAll = (): Promise<readonly unknown[]> =>
      Promise.all(agents.map((agent) => askOver(agent, port)));
    // An API server closes an idle connection after 90 s: it must be the first to do so.
    const first = [200, 'keep-alive', 'timeout=120'];
    expect(await askAll()).toEqual([first, first]);
    let isOver = false;
    const drained = server.drain({ least: 0, most: 60_000 }).then(() => (isOver = true));
    expect(server.connections.open).toBe(2);
    expect(await askAll()).toEqual([
      [200, 'close', undefined],
      [200, 'close', undefined],
    ]);
    expect(isOver).toBe(false);
    await drained;
    expect(server.connections.open).toBe(0);
    await server.close();
  });

  it('answers new connections meanwhile, and waits for no connection for ever', async () => {
    const clock = new HandClock();
    const server = serverWith({ clock });
    const { port } = await server.listen();
    const silent = connect(port, '127.0.0.1');
    await once(silent, 'connect');
    const drained = server.drain({ least: 1_000, most: 2_000 });
    expect(await ask(port, { body: review(podWith({})) })).toMatchObject({ status: 200 });
    let isOver = false;
    void drained.then(() => (isOver = true));
    for (let waited = 0; waited < 2_000; waited += 250) {
      expect(isOver).toBe(false);
      clock.advance(250);
      await turn();
    }
    await drained;
    await server.close();
  });
});

describe('the webhook that closes', () => {
  // Its clock stands still: a caller that waited for a bound would wait for ever.
  const clock = new HandClock();

  it('closes idle connections', async () => {
    const server = serverWith({ clock });
    const { port } = await server.listen();
    const silent = connect(port, '127.0.0.1');
    const greeted = tlsConnect({ port, host: '127.0.0.1', ca: authority.cert });
    const idle = new Agent({ keepAlive: true, ca: authority.cert });
    await Promise.all([once(silent, 'connect'), once(greeted, 'secureConnect')]);
    expect((await ask(port, { body: review(podWith({})), agent: idle })).status).toBe(200);
    const cut = Promise.all([silent, greeted].map((socket) => once(socket.resume(), 'close')));
    for (const socket of [silent, greeted]) socket.on('error', () => undefined);
    await server.close();
    await cut;
    idle.destroy();
  });

  it('answers requests in flight, then closes', async () => {
    const asked = Promise.withResolvers<undefined>();
    const answer = Promise.withResolvers<object>();
    const server = serverWith({ clock }, () => {
      asked.resolve(undefined);
      return answer.promise;
    });
    const { port } = await server.listen();
    const kept = new Agent({ keepAlive: true, ca: authority.cert });
    const asking = ask(port, { body: '{}', agent: kept });
    await asked.promise;
    const closed = server.close();
    answer.resolve({ filler: 'x'.repeat(1024 * 1024) });
    expect(await asking).toMatchObject({ status: 200 });
    await closed;
    kept.destroy();
  });

  it('cuts off a review that takes too long', async () => {
    const asked = Promise.withResolvers<undefined>();
    const server = serverWith({ clock }, () => {
      asked.resolve(undefined);
      return new Promise(() => undefined);
    });
    const { port } = await server.listen();
    const asking = ask(port, { body: '{}' }).catch(() => 'cut');
    await asked.promise;
    const closed = server.close();
    clock.advance(5_000);
    await closed;
    expect(await asking).toBe('cut');
  });
});
