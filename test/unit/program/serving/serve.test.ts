import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { systemClock } from '../../../../src/process/clock.ts';
import { initialise } from '../../../../src/program/installation/initialise.ts';
import { serve } from '../../../../src/program/serving/serve.ts';
import { checkConfig } from '../../../../src/program/config/load.ts';
import type { Config } from '../../../../src/program/config/schema.ts';
import { freePort } from '../../../kit/backends/free-port.ts';

const SILENT = { info: () => undefined, warn: () => undefined, error: () => undefined };
const DEPS = { clock: systemClock, log: SILENT };
const HOST = '127.0.0.1';

let directory: string;
let taken: Server;

async function listening(port: number): Promise<Server> {
  const server = createServer();
  const { promise, resolve, reject } = Promise.withResolvers<undefined>();
  server.once('error', reject);
  server.listen(port, HOST, () => resolve(undefined));
  await promise;
  return server;
}

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'quaymaster-serve-'));
  taken = await listening(0);
});

afterEach(async () => {
  taken.close();
  await rm(directory, { recursive: true });
});

interface Ports {
  readonly api: number;
  readonly metrics: number;
}

function configured({ api, metrics }: Ports): Config {
  const at = (name: string): string => join(directory, name);
  return checkConfig(
    {
      listener: { host: HOST, port: api },
      metrics: { listener: { host: HOST, port: metrics } },
      store: { type: 'sqlite', path: at('store/quaymaster.db') },
      kek: { type: 'local-file', path: at('keys/kek') },
      audit: {
        origin: 'quaymaster.test/serve',
        logKeyFile: at('keys/log.pem'),
        checkpointFile: at('keys/checkpoint'),
      },
    },
    'test',
  );
}

describe('a broker with an address in use', () => {
  it.each(['api', 'metrics'] as const)('reports that of %s, and listens nowhere', async (which) => {
    const { port } = taken.address() as AddressInfo;
    const free = { api: await freePort(), metrics: await freePort() };
    const config = configured({ ...free, [which]: port });
    const tokenFile = join(directory, 'token');
    await initialise(config, { tokenFile, tokenTtlSeconds: 60 }, DEPS);
    await expect(serve(config, DEPS)).rejects.toMatchObject({
      code: 'ERR_CONFIG_INVALID',
      message: expect.stringContaining(`cannot listen at ${HOST}:${port}: another process uses`),
    });
    for (const each of Object.values(free)) (await listening(each)).close();
    // It does not hold the store either.
    const serving = await serve(configured(free), DEPS);
    await serving.stop('test');
    for (const each of Object.values(free)) (await listening(each)).close();
  });
});
