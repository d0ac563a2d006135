import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { checkConfig } from '../../../../src/program/config/load.ts';
import type { Config } from '../../../../src/program/config/schema.ts';
import { serveInjector } from '../../../../src/program/injector/serve-injector.ts';
import { freePort } from '../../../kit/backends/free-port.ts';
import { CertificateAuthority } from '../../../kit/network/certificates.ts';
import { HandClock } from '../../../kit/time/hand-clock.ts';

const HOST = '127.0.0.1';
const log = { info: () => undefined, warn: () => undefined, error: () => undefined };

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'quaymaster-injector-'));
  const { cert, key } = new CertificateAuthority().issue({ commonName: 'x', ipAddresses: [HOST] });
  await writeFile(join(directory, 'cert'), cert);
  await writeFile(join(directory, 'key'), key);
});
afterEach(() => rm(directory, { recursive: true }));

interface Ports {
  readonly injector: number;
  readonly metrics: number;
}

/** A configuration that names no store, key or other file that exists. */
function configured({ injector, metrics }: Ports): Config {
  const at = (name: string): string => join(directory, name);
  return checkConfig(
    {
      metrics: { listener: { host: HOST, port: metrics } },
      store: { type: 'sqlite', path: at('absent/store/db') },
      kek: { type: 'local-file', path: at('absent/kek') },
      audit: {
        origin: 'quaymaster.test/injector',
        logKeyFile: at('absent/log'),
        checkpointFile: at('absent/checkpoint'),
      },
      injector: {
        listener: { host: HOST, port: injector },
        certificate: { files: { certificateFile: at('cert'), keyFile: at('key') } },
        image: 'registry.test/quaymaster:1',
        broker: { url: 'https://quaymaster.test:8200', cluster: 'prod' },
      },
    },
    'test',
  );
}

async function listening(port: number): Promise<Server> {
  const server = createServer();
  const { promise, resolve, reject } = Promise.withResolvers<undefined>();
  server.once('error', reject);
  server.listen(port, HOST, () => resolve(undefined));
  await promise;
  return server;
}

describe('the process of the injector', () => {
  it('is ready without a store or keys, and not while it drains', async () => {
    const ports = { injector: await freePort(), metrics: await freePort() };
    const clock = new HandClock();
    const serving = await serveInjector(configured(ports), { clock, log });
    const get = async (path: string): Promise<string> => {
      const answer = await fetch(`http://${HOST}:${ports.metrics}/${path}`);
      return `${answer.status} ${await answer.text()}`;
    };
    expect(await get('readyz')).toBe('200 {"ready":true,"reasons":[],"warnings":[]}');
    const metrics = await get('metrics');
    expect(metrics).toContain('quaymaster_injector_ready{cluster="prod"} 1');
    expect(metrics).toContain('quaymaster_listener_connections_closed_total{listener="injector"');
    // It would hide that no broker is there.
    expect(metrics).not.toContain('quaymaster_ready');
    const stopped = serving.stop();
    expect(await get('readyz')).toMatch(/^503 .*"draining"/);
    expect(await get('metrics')).toContain('quaymaster_injector_ready{cluster="prod"} 0');
    clock.advance(15_000);
    await stopped;
    for (const port of Object.values(ports)) (await listening(port)).close();
  });

  it.each(['injector', 'metrics'] as const)(
    'reports that the port of %s is in use, and listens nowhere',
    async (which) => {
      const taken = await listening(0);
      const { port } = taken.address() as AddressInfo;
      const free = { injector: await freePort(), metrics: await freePort() };
      const config = configured({ ...free, [which]: port });
      await expect(serveInjector(config, { clock: new HandClock(), log })).rejects.toMatchObject({
        code: 'ERR_CONFIG_INVALID',
        message: expect.stringContaining(`cannot listen at ${HOST}:${port}: another process uses`),
      });
      taken.close();
      for (const each of Object.values(free)) (await listening(each)).close();
    },
  );

  it('refuses a configuration without an injector', async () => {
    const config = { ...configured({ injector: 0, metrics: 0 }), injector: undefined };
    await expect(serveInjector(config, { clock: new HandClock(), log })).rejects.toMatchObject({
      code: 'ERR_CONFIG_INVALID',
      message: expect.stringContaining('no section "injector"'),
    });
  });
});
