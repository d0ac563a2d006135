import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { until } from '../kit/backends/until.ts';
import { expectDenied } from '../kit/api/deny-contract.ts';
import { serverBehind } from '../kit/network/node-server.ts';
import { RunningApi } from '../kit/api/running-api.ts';
import { storedEntries } from '../kit/store/store-diff.ts';

let api: RunningApi;
afterEach(() => api.stop());

/** Writes a secret of a megabyte. @returns the token of a caller that may read it. */
async function start(): Promise<string> {
  api = await RunningApi.start({ limits: { maxValueBytes: 1_048_576 } });
  await api.seed();
  const token = await api.logIn();
  const data = { a: 'x'.repeat(1_000_000) };
  await api.call('PUT', '/api/v1/secrets/app/x', { token, body: { data } });
  return token;
}

describe('an unread answer', () => {
  it('is dropped after a time limit, and other clients are served meanwhile', async () => {
    const token = await start();
    const server = await serverBehind(() => api.call('GET', '/healthz'));
    expect(server.timeout).toBe(45_000);
    server.timeout = 4_000;
    const deaf = await askAndNotRead(token);
    expect(api.server.connections.open).toBeGreaterThan(0);
    expect((await api.call('GET', '/healthz')).status).toBe(200);
    await until('it is cut', () => Promise.resolve(api.server.connections.open === 0));
    deaf.destroy();
  });

  it('blocks only its own caller, until that client reads it or disconnects', async () => {
    const token = await start();
    const ended = await api.logIn();
    const another = await api.logIn({ serviceAccount: { name: 'web', uid: 'sa-web' } });
    const deaf = await askAndNotRead(token);
    const path = '/api/v1/secrets/app/x';
    const batch = { items: [{ path: 'app/x' }] };
    const asked = [
      () => api.call('GET', path, { token }),
      () => api.call('POST', '/api/v1/secrets:batch', { token, body: batch }),
    ];
    for (const ask of asked) {
      await expectDenied(api, {
        status: 429,
        code: 'ERR_RATE_LIMITED',
        reason: 'answers_waiting',
        send: ask,
      });
      expect((await api.call('GET', path, { token: another })).status).toBe(200);
    }
    const renewal = { token: api.serviceAccountToken() };
    const renewed = await api.call('POST', '/api/v1/sessions/self/renew', { token, body: renewal });
    expect(renewed.status).toBe(200);
    expect((await api.call('DELETE', '/api/v1/sessions/self', { token: ended })).status).toBe(204);
    deaf.destroy();
    await until('it is served again', async () => (await asked[0]!()).status === 200);
  });

  it('is refused item by item if it is a large batch, and the caller can request the rest again (DI08)', async () => {
    const token = await start();
    const ask = (count: number) =>
      api.call('POST', '/api/v1/secrets:batch', {
        token,
        body: { items: Array(count).fill({ path: 'app/x' }) },
      });
    const { status, body } = await ask(40);
    expect(status).toBe(200);
    const refused = (body.items as readonly { error?: { code: string } }[]).filter(
      ({ error }) => error !== undefined,
    );
    // Slices of four megabytes: eight fill 32 MiB, and a ninth was read before they did.
    expect(refused.map(({ error }) => error?.code)).toEqual(Array(4).fill('ERR_RATE_LIMITED'));
    const entries = await storedEntries(api.broker.parts.store);
    const denied = entries.filter(
      ({ action, outcome }) => action === 'secret.read' && outcome === 'deny',
    );
    expect(denied.map(({ item }) => item)).toEqual([36, 37, 38, 39]);
    const again = await ask(refused.length);
    expect(again.body.items).toHaveLength(4);
    expect(again.text).not.toContain('ERR_');
  });

  /** Forty values of a megabyte: more than the kernel buffers, and more than the limit of one workload. */
  async function askAndNotRead(token: string): Promise<Socket> {
    const body = JSON.stringify({ items: Array(40).fill({ path: 'app/x' }) });
    const head = [
      'POST /api/v1/secrets:batch HTTP/1.1',
      'Host: x',
      `Authorization: Bearer ${token}`,
      'Content-Type: application/json',
      `Content-Length: ${body.length}`,
    ];
    const deaf = connect(api.port, '127.0.0.1');
    deaf.on('error', () => undefined);
    deaf.pause().write(`${head.join('\r\n')}\r\n\r\n${body}`);
    await until('it was answered', async () => {
      const entries = await storedEntries(api.broker.parts.store);
      return entries.filter(({ action }) => action === 'secret.read').length >= 40;
    });
    return deaf;
  }
});
