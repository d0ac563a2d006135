import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { SecretProvider } from '../../../../src/ports/secret-provider.ts';
import { contextOf, failureOf } from '../../../contract/secret-provider.contract.ts';
import { FakeVault } from '../../../kit/fakes/fake-vault.ts';
import { VaultConnections } from '../../../kit/vault-connections.ts';

let vault: FakeVault;
let connections: VaultConnections;
let provider: SecretProvider;

beforeEach(async () => {
  vault = await FakeVault.start();
  connections = await VaultConnections.create();
  const connection = await connections.connect(vault.address, 's.broker');
  provider = connection.mount({ engine: 'kv-v2', path: 'secret' });
});
afterEach(async () => {
  await connections.close();
  await vault.close();
});

const page = (limit: number, after?: string) => provider.list('', { limit, after }, contextOf());
const keysOf = (keys: (folder: string) => unknown) => {
  vault.fault = ({ target }) => {
    const folder = decodeURIComponent(
      target.replace('/v1/secret/metadata/', '').split('?')[0] ?? '',
    );
    return { status: 200, body: { data: { keys: keys(folder) } } };
  };
};

describe('listing a KV engine', () => {
  it('asks for the folders of one page only', async () => {
    for (const name of ['a/1', 'b/1', 'c/1', 'd/1', 'e/1']) vault.put('secret', name, { k: 'v' });
    const first = await page(1);
    expect(first).toEqual({ items: [{ name: 'a/1' }], next: 'a/1' });
    expect(vault.requests).toHaveLength(3);
    const second = await page(1, first.next);
    expect(second.items).toEqual([{ name: 'b/1' }]);
  });

  it('goes on after a name that is gone, or never was', async () => {
    for (const name of ['a/1', 'b', 'b/1', 'c']) vault.put('secret', name, { k: 'v' });
    expect((await page(10, 'a/9')).items.map(({ name }) => name)).toEqual(['b', 'b/1', 'c']);
    expect((await page(10, 'b')).items.map(({ name }) => name)).toEqual(['b/1', 'c']);
    expect((await page(10, 'z')).items).toEqual([]);
  });

  it('leaves out what the broker could not name, and what is said twice', async () => {
    keysOf((folder) =>
      folder === ''
        ? ['ok', 'ok', '..', '../', './', '', '/', 'a b', 'a/b', 'a//', 'ü', 'x?y', 'dir/']
        : ['in', '../'],
    );
    expect((await page(100)).items.map(({ name }) => name)).toEqual(['dir/in', 'ok']);
  });

  it('ends at folders without an end', async () => {
    keysOf(() => ['deeper/', 'name']);
    const { items } = await page(100);
    expect(items).toHaveLength(16);
  });

  it('gives up behind a thousand folders with nothing in them', async () => {
    keysOf((folder) => (folder === '' ? Array.from({ length: 1001 }, (_, n) => `f${n}/`) : []));
    expect((await failureOf(page(1))).code).toBe('ERR_PROVIDER_FAILED');
  });

  it.each([[null], ['text'], [[1, 2]], [{ a: 1 }]])('calls the keys %j unusable', async (keys) => {
    keysOf(() => keys);
    expect((await failureOf(page(1))).code).toBe('ERR_PROVIDER_MALFORMED');
  });

  it('refuses a prefix that leaves the engine', async () => {
    const call = provider.list('../../sys', { limit: 1 }, contextOf());
    expect((await failureOf(call)).code).toBe('ERR_PATH_INVALID');
    expect(vault.requests).toHaveLength(0);
  });
});
