import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { testMetrics } from '../../../kit/api/test-metrics.ts';
import { openInjector, type RunningInjector } from '../../../../src/program/injector/injector.ts';
import { checkConfig } from '../../../../src/program/config/load.ts';
import { until } from '../../../kit/backends/until.ts';
import { HandClock } from '../../../kit/time/hand-clock.ts';

const SILENT = { info: () => undefined, warn: () => undefined, error: () => undefined };

/** An API server that accepts connections and never answers. */
let silent: Server;
let directory: string;
const sockets = new Set<Socket>();

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'quaymaster-injector-'));
  await writeFile(join(directory, 'token'), 'x');
  silent = createServer((socket) => void sockets.add(socket));
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
});
afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  sockets.clear();
  silent.close();
  await rm(directory, { recursive: true });
});

/** Opens an injector whose clock stands still: a caller that waited for an answer, or for a time-out, would wait forever. */
function opened(clock: HandClock): Promise<RunningInjector> {
  const file = (name: string): string => join(directory, name);
  const { injector, connections } = checkConfig(
    {
      store: { type: 'sqlite', path: file('store/db') },
      kek: { type: 'local-file', path: file('kek') },
      audit: { origin: 'quaymaster.test/i', logKeyFile: file('l'), checkpointFile: file('c') },
      connections: {
        kube: {
          type: 'kubernetes',
          server: `https://127.0.0.1:${(silent.address() as AddressInfo).port}`,
          tokenFile: file('token'),
        },
      },
      injector: {
        listener: { host: '127.0.0.1', port: 0 },
        certificate: {
          managed: {
            connection: 'kube',
            webhookConfiguration: 'quaymaster-injector',
            dnsNames: ['injector.test'],
          },
        },
        image: 'registry.test/quaymaster:1',
        broker: { url: 'https://quaymaster.test:8200', cluster: 'prod' },
      },
    },
    'test',
  );
  return openInjector(injector!, connections, {
    clock,
    log: SILENT,
    metrics: testMetrics(),
  });
}

/** A review of a pod without annotations. @returns the status */
function ask(port: number): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const resource = { group: '', version: 'v1', resource: 'pods' };
  const object = { metadata: { name: 'web' }, spec: { containers: [{ name: 'web' }] } };
  const review = { uid: 'u-1', operation: 'CREATE', namespace: 'shop', resource, object };
  const asking = request({
    host: '127.0.0.1',
    port,
    method: 'POST',
    path: '/inject',
    agent: false,
    headers: { 'content-type': 'application/json' },
    rejectUnauthorized: false,
  });
  asking.on('response', (response) => resolve(response.resume().statusCode ?? 0));
  asking.on('error', reject);
  asking.end(
    JSON.stringify({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', request: review }),
  );
  return promise;
}

describe('an injector whose API server does not answer', () => {
  it('listens at once, and is not ready: another one must not be replaced by it', async () => {
    const clock = new HandClock();
    const running = await opened(clock);
    expect(running.port).toBeGreaterThan(0);
    expect(running.unready()).toEqual(['injector_untrusted']);
    clock.advance(600_000);
    expect(running.unready()).toEqual(['injector_untrusted']);
    await running.close();
  });

  it('answers the review that waits for its version while it drains', async () => {
    const clock = new HandClock();
    const running = await opened(clock);
    await until('it checks its entry', () => Promise.resolve(sockets.size === 1));
    const answered = ask(running.port);
    await until('it asks for the version', () => Promise.resolve(sockets.size === 2));
    let isOver = false;
    const drained = running.drain().then(() => (isOver = true));
    expect(running.unready()).toContain('draining');
    clock.advance(5_000);
    expect(await answered).toBe(200);
    await until('it has drained', () => {
      clock.advance(1_000);
      return Promise.resolve(isOver);
    });
    await drained;
    await running.close();
  });
});
