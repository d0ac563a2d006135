import { expect, it } from '@jest/globals';
import { KeyringRowMacs } from '../../../../src/broker/kernel/row-macs.ts';
import { Keyring } from '../../../../src/crypto/keys/keyring.ts';
import { generateRootKey } from '../../../../src/crypto/keys/root-keys.ts';
import { SetHash } from '../../../../src/crypto/hashes/set-hash.ts';
import type { Store } from '../../../../src/ports/store.ts';
import type { DigestedTable } from '../../../../src/ports/tables.ts';
import { DIGESTED } from '../../../../src/store/guard/guarded-tables.ts';
import { RowGuard, type DigestRow } from '../../../../src/store/guard/row-guard.ts';
import { checkState, type LoggedDigests } from '../../../../src/store/guard/state-check.ts';

/** A store without rows whose digests are as its log names them. */
function emptyStore() {
  const keyring = new Keyring(generateRootKey());
  const guard = new RowGuard({ entry: () => '{}' });
  guard.open({ keyring, rows: new KeyringRowMacs(keyring) });
  const empty = (kind: DigestedTable, generation: number): DigestRow =>
    guard.sealDigest(kind, { generation, count: 0, set: SetHash.empty() });
  const digests = new Map<string, DigestRow>(DIGESTED.map((kind) => [kind, empty(kind, 1)]));
  const named = new Map(digests);
  const log = { reads: 0, beforeRead: undefined as ((read: number) => void) | undefined };
  const store = {
    get: (_: string, { kind }: { readonly kind: string }) => Promise.resolve(digests.get(kind)),
    list: () => Promise.resolve([]),
  } as unknown as Store;
  const logged = (): Promise<LoggedDigests> => {
    log.reads += 1;
    log.beforeRead?.(log.reads);
    const now = new Map(named);
    return Promise.resolve({
      get: (kind: string) => {
        const row = now.get(kind);
        return row && { generation: row.generation, digest: guard.shortDigest(row) };
      },
    });
  };
  return { digests, named, log, empty, check: () => checkState(store, guard, { logged }) };
}

it('reads the log twice, whatever the number of kinds of rows', async () => {
  const { log, check } = emptyStore();
  expect(await check()).toEqual({ adopt: [], problems: [] });
  expect(log.reads).toBe(2);
});

it('accepts a commit of another replica after its rows were read', async () => {
  const { digests, named, log, empty, check } = emptyStore();
  log.beforeRead = (read) => {
    if (read !== 2) return;
    digests.set('secrets', empty('secrets', 2));
    named.set('secrets', empty('secrets', 2));
  };
  expect(await check()).toEqual({ adopt: [], problems: [] });
});

it('reports rows that are older than the log when the log is read last', async () => {
  const { named, log, empty, check } = emptyStore();
  log.beforeRead = (read) => {
    if (read === 2) named.set('secrets', empty('secrets', 2));
  };
  expect((await check()).problems).toMatchObject([{ reason: 'rows_behind', kind: 'secrets' }]);
});

it('reports a digest that the log does not name', async () => {
  const { digests, empty, check } = emptyStore();
  digests.set('secrets', empty('secrets', 2));
  expect((await check()).problems).toMatchObject([{ reason: 'rows_differ', kind: 'secrets' }]);
});
