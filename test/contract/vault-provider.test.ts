import { createServer, type Server } from 'node:net';
import type { AddressInfo } from 'node:net';
import { FakeVault } from '../kit/fakes/fake-vault.ts';
import { VaultConnections } from '../kit/providers/vault-connections.ts';
import { until } from '../kit/backends/until.ts';
import { expect } from '@jest/globals';
import { dynamicCredentialsContract } from './dynamic-credentials.contract.ts';
import { secretProviderContract, type ProviderFixture } from './secret-provider.contract.ts';

/** Accepts connections and never answers. */
async function silentServer(): Promise<{ address: string; server: Server }> {
  const server = createServer();
  const { promise, resolve } = Promise.withResolvers<undefined>();
  server.listen(0, '127.0.0.1', () => resolve(undefined));
  await promise;
  const { port } = server.address() as AddressInfo;
  return { address: `http://127.0.0.1:${port}`, server };
}

async function kvFixture(engine: 'kv-v1' | 'kv-v2'): Promise<ProviderFixture> {
  const vault = await FakeVault.start();
  const connections = await VaultConnections.create();
  const silent = await silentServer();
  const options = { engine, path: engine === 'kv-v2' ? 'secret' : 'old', root: 'team' };
  const place = engine === 'kv-v2' ? 'secret' : 'old';
  const mount = async (address: string, token: string) =>
    (await connections.connect(address, token)).mount(options);
  return {
    provider: await mount(vault.address, 's.broker'),
    denied: await mount(vault.address, 's.stranger'),
    silent: await mount(silent.address, 's.broker'),
    put: (path, data) => {
      vault.put(place, `team/${path}`, data);
      return Promise.resolve();
    },
    remove: (path) => {
      vault.remove(place, `team/${path}`);
      return Promise.resolve();
    },
    close: async () => {
      await connections.close();
      await vault.close();
      silent.server.close();
    },
  };
}

secretProviderContract('Vault KV v2 (fake)', () => kvFixture('kv-v2'));
secretProviderContract('Vault KV v1 (fake)', () => kvFixture('kv-v1'), { unversioned: true });

dynamicCredentialsContract('Vault (fake)', async () => {
  const vault = await FakeVault.start();
  const connections = await VaultConnections.create();
  const mount = async () => {
    const connection = await connections.connect(vault.address, 's.broker');
    return connection.mount({
      engine: 'dynamic',
      path: 'db',
      root: 'creds',
      tokenRole: 'quaymaster',
    });
  };
  const live = () => Promise.resolve([...vault.leases.keys()]);
  return {
    provider: await mount(),
    restart: mount,
    path: 'readonly',
    ref: { path: 'db/creds/readonly' },
    live,
    works: () => Promise.resolve(vault.leases.size > 0),
    settled: async (expected) => {
      await until(`${expected} leases`, async () => (await live()).length === expected);
      expect(await live()).toHaveLength(expected);
    },
    close: async () => {
      await connections.close();
      await vault.close();
    },
  };
});
