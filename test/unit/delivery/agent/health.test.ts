import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Health, isSamePod, type HealthState } from '../../../../src/delivery/agent/health.ts';
import { freePort } from '../../../kit/backends/free-port.ts';

const opened: Health[] = [];
afterEach(async () => {
  for (const health of opened.splice(0)) await health.close();
});

let state: HealthState = { ready: false, reasons: ['no secrets yet'] };
const quit = Promise.withResolvers<undefined>();

async function listening(host = '127.0.0.1'): Promise<string> {
  const port = await freePort();
  opened.push(
    await Health.listen(
      { host, port },
      () => state,
      () => quit.resolve(undefined),
    ),
  );
  return `http://127.0.0.1:${port}`;
}

describe('the health of an agent', () => {
  it('is alive from the start, and ready when its secrets are delivered', async () => {
    const url = await listening();
    const alive = await fetch(`${url}/healthz`);
    expect([alive.status, await alive.json()]).toEqual([200, { status: 'alive' }]);
    const early = await fetch(`${url}/readyz`);
    expect([early.status, await early.json()]).toEqual([
      503,
      { ready: false, reasons: ['no secrets yet'] },
    ]);
    state = { ready: true, reasons: [] };
    expect((await fetch(`${url}/readyz`)).status).toBe(200);
  });

  it('quits after it has answered POST /quit', async () => {
    const url = await listening();
    expect((await fetch(`${url}/quit`)).status).toBe(404);
    const told = await fetch(`${url}/quit`, { method: 'POST' });
    expect([told.status, await told.json()]).toEqual([202, { status: 'quitting' }]);
    await quit.promise;
  });

  it('does not quit for a request that an application was tricked into sending', async () => {
    const url = await listening();
    for (const headers of [
      { host: 'evil.test' },
      { 'x-forwarded-for': '10.0.0.9' },
      { origin: 'http://a.test' },
    ]) {
      const told = request(`${url}/quit`, { method: 'POST', headers, agent: false }).end();
      const [{ statusCode }] = (await once(told, 'response')) as [IncomingMessage];
      expect(statusCode).toBe(403);
      told.destroy();
    }
  });

  it.each([
    ['127.0.0.1', true],
    ['127.8.9.1', true],
    ['::1', true],
    ['::ffff:127.0.0.1', true],
    ['10.0.0.1', false],
    ['::ffff:10.0.0.1', false],
    ['2001:db8::1', false],
    ['', false],
    [undefined, false],
  ])('answers %s from the same pod: %s', (address, expected) => {
    expect(isSamePod(address)).toBe(expected);
  });

  it('answers nothing else, and reports where it cannot listen', async () => {
    const url = await listening();
    expect((await fetch(`${url}/metrics`)).status).toBe(404);
    const port = Number(new URL(url).port);
    const taken = Health.listen(
      { host: '127.0.0.1', port },
      () => state,
      () => undefined,
    );
    await expect(taken).rejects.toThrow(/127\.0\.0\.1:\d+: EADDRINUSE/);
  });
});
