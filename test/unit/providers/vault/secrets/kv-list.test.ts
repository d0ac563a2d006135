import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { SecretProvider } from '../../../../../src/ports/secret-provider.ts';
import { contextOf, failureOf } from '../../../../contract/secret-provider.contract.ts';
import { FakeVault } from '../../../../kit/fakes/fake-vault.ts';
import { VaultConnections } from '../../../../kit/providers/vault-connections.ts';

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
  it('requests the folders of one page only', async () => {
    for (const name of ['a/1', 'b/1', 'c/1', 'd/1', 'e/1']) vault.put('secret', name, { k: 'v' });
    const first = await page(1);
    expect(first).toEqual({ items: [{ name: 'a/1' }], next: 'a/1', cost: 3 });
    expect(vault.requests).toHaveLength(3);
    const second = await page(1, first.next);
    expect(second.items).toEqual([{ name: 'b/1' }]);
  });

  it('continues after a name that was deleted or never existed', async () => {
    for (const name of ['a/1', 'b', 'b/1', 'c']) vault.put('secret', name, { k: 'v' });
    expect((await page(10, 'a/9')).items.map(({ name }) => name)).toEqual(['b', 'b/1', 'c']);
    expect((await page(10, 'b')).items.map(({ name }) => name)).toEqual(['b/1', 'c']);
    expect((await page(10, 'z')).items).toEqual([]);
  });

  it('leaves out names that the broker cannot represent, and duplicates', async () => {
    keysOf((folder) =>
      folder === ''
        ? ['ok', 'ok', '..', '../', './', '', '/', 'a b', 'a/b', 'a//', 'ü', 'x?y', 'dir/']
        : ['in', '../'],
    );
    expect((await page(100)).items.map(({ name }) => name)).toEqual(['dir/in', 'ok']);
  });

  it('stops at endless folders', async () => {
    keysOf(() => ['deeper/', 'name']);
    const { items } = await page(100);
    expect(items).toHaveLength(16);
  });

  it('ends a page after 200 folders, and the next page continues after them', async () => {
    const folders = Array.from({ length: 500 }, (_, n) => `f${String(n).padStart(3, '0')}/`);
    keysOf((folder) => (folder === '' ? [...folders, 'z'] : folder === 'f450/' ? ['x'] : []));
    const names: string[] = [];
    let after: string | undefined;
    let pages = 0;
    do {
      vault.requests.length = 0;
      const { items, next } = await page(10, after);
      expect(vault.requests.length).toBeLessThanOrEqual(200);
      names.push(...items.map(({ name }) => name));
      after = next;
      pages += 1;
    } while (after !== undefined);
    expect(names).toEqual(['f450/x', 'z']);
    expect(pages).toBe(3);
  });

  it('reports the cost of a page: one read for each folder, and for each 500 of its keys', async () => {
    keysOf((folder) =>
      folder === '' ? ['a/', ...Array.from({ length: 2_000 }, (_, n) => `k${n}`)] : ['in'],
    );
    expect(await page(10)).toMatchObject({ cost: 6 });
  });

  it.each([[null], ['text'], [[1, 2]], [{ a: 1 }]])(
    'treats the keys %j as unusable',
    async (keys) => {
      keysOf(() => keys);
      expect((await failureOf(page(1))).code).toBe('ERR_PROVIDER_MALFORMED');
    },
  );

  it('refuses a prefix that leaves the engine', async () => {
    const call = provider.list('../../sys', { limit: 1 }, contextOf());
    expect((await failureOf(call)).code).toBe('ERR_PATH_INVALID');
    expect(vault.requests).toHaveLength(0);
  });
});
