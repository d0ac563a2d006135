import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  keepKeys,
  loadKeys,
  makeKeys,
  type NewKeys,
} from '../../../../src/broker/keys/installation-keys.ts';
import { RootKeyWrappers } from '../../../../src/broker/keys/root-key-wrappers.ts';
import { generateRootKey } from '../../../../src/crypto/keys/root-keys.ts';
import type { KeyEncryptionKey } from '../../../../src/ports/key-encryption-key.ts';
import type { Store } from '../../../../src/ports/store.ts';
import { openSqliteStore } from '../../../../src/store/sqlite/open-sqlite-store.ts';
import { FakeAuditChain } from '../../../kit/fakes/fake-audit-chain.ts';
import { codeOf } from '../../../kit/broker/test-broker.ts';
import { HandClock } from '../../../kit/time/hand-clock.ts';

/** Wraps nothing: these tests do not concern the KEK. */
const KEK: KeyEncryptionKey = {
  id: 'kek',
  wrap: (plaintext) => Promise.resolve(Uint8Array.from(plaintext)),
  unwrap: (wrapped) => Promise.resolve(Uint8Array.from(wrapped)),
};
const clock = new HandClock();
const WRAPPERS = new RootKeyWrappers([KEK], clock);
let directory: string;
let store: Store;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'qm-keys-'));
  const deps = { chain: new FakeAuditChain(), clock, mode: 'development' as const };
  store = await openSqliteStore(
    { path: join(directory, 'store.db'), ballastBytes: 4096, syncsInPool: false },
    deps,
  );
});
afterEach(async () => {
  await store.close();
  await rm(directory, { recursive: true });
});

async function createKeys(): Promise<NewKeys> {
  const made = await makeKeys(WRAPPERS, clock);
  await keepKeys(store, made);
  return made;
}

describe('root keys', () => {
  it('open as they were created, and are created once', async () => {
    const made = await createKeys();
    const loaded = await loadKeys(store, WRAPPERS);
    expect(loaded.installation).toBe(made.installation);
    expect(loaded.keyring.active.id).toBe(made.keyring.active.id);
    expect(await codeOf(createKeys())).toBe('ERR_CONFLICT');
  });

  it('are missing from a store that was never initialised', async () => {
    expect(await codeOf(loadKeys(store, WRAPPERS))).toBe('ERR_CONFIG_INVALID');
  });

  it('are not loaded when a writer to the database added one and made it active', async () => {
    const { installation, keyring } = await createKeys();
    const other = generateRootKey();
    const { id } = other;
    const commitment = other.commitment(installation);
    const row = { id, commitment, state: 'retired', created_at: 1, seals: 0 } as const;
    const [wrap] = await WRAPPERS.wrapUnderAll(other, installation);
    await store.commit({
      writes: [
        { table: 'root_keys', put: row },
        { table: 'root_key_wraps', put: wrap! },
      ],
    });
    expect(await codeOf(loadKeys(store, WRAPPERS))).toBe('ERR_CIPHERTEXT_INVALID');
    const first = { id: keyring.active.id };
    await store.commit({
      writes: [
        { table: 'root_keys', key: first, change: { state: 'retired' } },
        { table: 'root_keys', key: { id }, change: { state: 'active' } },
      ],
    });
    expect(await codeOf(loadKeys(store, WRAPPERS))).toBe('ERR_CIPHERTEXT_INVALID');
  });

  it('are not loaded when their MAC is missing', async () => {
    await createKeys();
    await store.commit({ writes: [{ table: 'meta', remove: { key: 'root-keys-mac' } }] });
    expect(await codeOf(loadKeys(store, WRAPPERS))).toBe('ERR_CIPHERTEXT_INVALID');
  });
});
