import { expect, it } from '@jest/globals';
import { RowSeals } from '../../../src/broker/recording/row-seals.ts';
import { Keyring } from '../../../src/crypto/keyring.ts';
import { generateRootKey } from '../../../src/crypto/root-keys.ts';
import { SetHash } from '../../../src/crypto/set-hash.ts';
import type { Store } from '../../../src/ports/store.ts';
import { LiveRows } from '../../../src/store/live-rows.ts';
import { RowGuard, type DigestRow } from '../../../src/store/row-guard.ts';

const KEY = { kind: 'policy', name: 'none' };

function opened(): { readonly guard: RowGuard; readonly digest: (n: number) => DigestRow } {
  const keyring = new Keyring(generateRootKey());
  const guard = new RowGuard({ entry: () => '{}' });
  guard.open({ keyring, rows: new RowSeals(keyring) });
  guard.enforce();
  const digest = (generation: number): DigestRow =>
    guard.sealDigest('documents', { generation, count: 0, set: SetHash.empty() });
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
