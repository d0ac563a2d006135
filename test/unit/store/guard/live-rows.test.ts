import { expect, it } from '@jest/globals';
import { KeyringRowMacs } from '../../../../src/broker/kernel/row-macs.ts';
import { Keyring } from '../../../../src/crypto/keys/keyring.ts';
import { generateRootKey } from '../../../../src/crypto/keys/root-keys.ts';
import { SetHash } from '../../../../src/crypto/hashes/set-hash.ts';
import type { Store } from '../../../../src/ports/store.ts';
import { LiveRows } from '../../../../src/store/guard/live-rows.ts';
import { RowGuard, type DigestRow, type StoredRow } from '../../../../src/store/guard/row-guard.ts';
import { checkState } from '../../../../src/store/guard/state-check.ts';

const KEY = { kind: 'policy', name: 'none' };

function opened(): { readonly guard: RowGuard; readonly digest: (n: number) => DigestRow } {
  const keyring = new Keyring(generateRootKey());
  const guard = new RowGuard({ entry: () => '{}' });
  guard.open({ keyring, rows: new KeyringRowMacs(keyring) });
  guard.enforce();
  const digest = (generation: number): DigestRow =>
    guard.createDigest('documents', { generation, count: 0, set: SetHash.empty() });
  return { guard, digest };
}

/** A store without documents, whose digest is `answer()` each time that it is read. */
function emptyStore(answer: () => DigestRow): Store {
  const get = (table: string): Promise<unknown> =>
    Promise.resolve(table === 'state_digests' ? answer() : undefined);
  return { get, list: () => Promise.resolve([]) } as unknown as Store;
}

it('does not hold the store for a digest if a commit happened during the read', async () => {
  const { guard, digest } = opened();
  let isOvertaken = false;
  const live = new LiveRows(
    emptyStore(() => {
      if (isOvertaken) return digest(2);
      // This process commits before the answer arrives.
      isOvertaken = true;
      guard.accept('documents', digest(2));
      return digest(1);
    }),
    guard,
  );
  expect(await live.get('documents', KEY)).toBeUndefined();
  expect(guard.holds).toEqual([]);
});

it('holds the store for a digest that is older than one seen before the read', async () => {
  const { guard, digest } = opened();
  guard.accept('documents', digest(2));
  const live = new LiveRows(
    emptyStore(() => digest(1)),
    guard,
  );
  await expect(live.get('documents', KEY)).rejects.toThrow();
  expect(guard.holds).toMatchObject([{ reason: 'rows_behind', kind: 'documents' }]);
});

function row(name: string, version = 1): StoredRow {
  return { kind: 'policy', name, uid: `doc_${name}`, version, body: '{}', mac: new Uint8Array(33) };
}

/** A store of documents that commits as the broker does, and counts how often all of them are read. */
function documentStore() {
  const { guard, digest } = opened();
  const rows = new Map<string, StoredRow>();
  const store = { digest: digest(1), lists: 0 };
  const port = {
    get: (
      table: string,
      { kind, name = '' }: { readonly kind: string; readonly name?: string },
    ) => {
      if (table !== 'state_digests') return Promise.resolve(rows.get(name));
      return Promise.resolve(kind === 'documents' ? store.digest : undefined);
    },
    list: ({ spec }: { readonly spec: { readonly table: string } }) => {
      if (spec.table === 'state_digests') return Promise.resolve([store.digest]);
      const isAll = spec.table === 'documents';
      store.lists += isAll ? 1 : 0;
      return Promise.resolve(isAll ? [...rows.values()] : []);
    },
  } as unknown as Store;
  const commit = (...after: readonly StoredRow[]): void => {
    const changes = after.map((each) => {
      const before = rows.get(each['name'] as string);
      return { table: 'documents', before, after: each } as const;
    });
    const staged = guard.stage(changes, [store.digest]);
    const [write] = staged.writes;
    store.digest = (write as unknown as { readonly put: DigestRow }).put;
    for (const each of after) rows.set(each['name'] as string, each);
    staged.keep();
  };
  return { guard, rows, store, port, commit };
}

it('follows a commit of this process with many rows without reading all rows again', async () => {
  const { guard, store, port, commit } = documentStore();
  const live = new LiveRows(port, guard);
  expect(await live.get('documents', KEY)).toBeUndefined();
  commit(row('a'), row('b'), row('c'));
  commit(row('b', 2));
  expect(await live.get('documents', { kind: 'policy', name: 'a' })).toEqual(row('a'));
  expect(await live.get('documents', { kind: 'policy', name: 'b' })).toEqual(row('b', 2));
  expect(store.lists).toBe(1);
});

it('holds the store for a replayed row after it followed a commit', async () => {
  const { guard, rows, port, commit } = documentStore();
  const live = new LiveRows(port, guard);
  commit(row('a'), row('b'));
  expect(await live.get('documents', { kind: 'policy', name: 'a' })).toEqual(row('a'));
  commit(row('a', 2), row('b', 2));
  rows.set('a', row('a'));
  await expect(live.get('documents', { kind: 'policy', name: 'a' })).rejects.toThrow();
  expect(guard.holds).toMatchObject([{ reason: 'rows_differ', kind: 'documents' }]);
});

it('returns the documents that the check at the start read', async () => {
  const { guard, store, live } = await started();
  expect(await live.documents()).toEqual([row('a'), row('b')]);
  expect(store.lists).toBe(1);
  expect(guard.holds).toEqual([]);
});

it('reads the documents again if they changed after the check at the start', async () => {
  const { commit, live } = await started();
  commit(row('b', 2));
  expect(await live.documents()).toEqual([row('a'), row('b', 2)]);
});

it('holds the store if a document was altered after the check at the start, and the documents are read again', async () => {
  const { guard, commit, rows, live } = await started();
  commit(row('b', 2));
  rows.set('a', row('a', 7));
  await expect(live.documents()).rejects.toThrow();
  expect(guard.holds).toMatchObject([{ reason: 'rows_differ', kind: 'documents' }]);
});

/** A store with two documents, whose digest the start has compared with them. */
async function started() {
  const made = documentStore();
  made.commit(row('a'), row('b'));
  const live = new LiveRows(made.port, made.guard);
  const digest = made.guard.shortDigest(made.store.digest);
  const logged = {
    get: (kind: string) => (kind === 'documents' ? { generation: 2, digest } : undefined),
  };
  await checkState(made.port, made.guard, { logged: () => Promise.resolve(logged), keep: live });
  return { ...made, live };
}
