import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { keepKeys, loadKeys, makeKeys, type NewKeys } from '../../../src/compose/keys.ts';
import { generateRootKey, wrapRootKey } from '../../../src/crypto/root-keys.ts';
import type { KeyEncryptionKey } from '../../../src/ports/key-encryption-key.ts';
import type { Store } from '../../../src/ports/store.ts';
import { openSqliteStore } from '../../../src/store/sqlite/open-sqlite-store.ts';
import { FakeAuditChain } from '../../kit/fakes/fake-audit-chain.ts';
import { codeOf } from '../../kit/broker-parts.ts';
import { HandClock } from '../../kit/hand-clock.ts';

/** Wraps nothing: these tests do not concern the KEK. */
const KEK: KeyEncryptionKey = {
  id: 'kek',
  wrap: (plaintext) => Promise.resolve(Uint8Array.from(plaintext)),
  unwrap: (wrapped) => Promise.resolve(Uint8Array.from(wrapped)),
};
const clock = new HandClock();
let directory: string;
let store: Store;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'qm-keys-'));
  const deps = { chain: new FakeAuditChain(), clock, mode: 'development' as const };
  store = await openSqliteStore({ path: join(directory, 'store.db'), ballastBytes: 4096 }, deps);
});
afterEach(async () => {
  await store.close();
  await rm(directory, { recursive: true });
});

async function createKeys(): Promise<NewKeys> {
  const made = await makeKeys(KEK, clock);
  await keepKeys(store, made);
  return made;
}

describe('root keys', () => {
  it('open as they were created, and are created once', async () => {
    const made = await createKeys();
    const loaded = await loadKeys(store, KEK, clock);
    expect(loaded.installation).toBe(made.installation);
    expect(loaded.keyring.active.id).toBe(made.keyring.active.id);
    expect(await codeOf(createKeys())).toBe('ERR_CONFLICT');
  });

  it('are missing from a store that was never initialised', async () => {
    expect(await codeOf(loadKeys(store, KEK, clock))).toBe('ERR_CONFIG_INVALID');
  });

  it('are not loaded when a writer to the database added one and made it active', async () => {
    const { installation, keyring } = await createKeys();
    const other = generateRootKey();
    const context = { requestId: 'r', signal: new AbortController().signal };
    const wrapped = await wrapRootKey(other, 1, { kek: KEK, installation, context });
    const { id, kekId: kek_id, commitment } = wrapped;
    const row = { id, kek_id, wrapped: wrapped.wrapped, commitment, created_at: 1 };
    await store.commit({ writes: [{ table: 'root_keys', put: { ...row, state: 'retired' } }] });
    expect(await codeOf(loadKeys(store, KEK, clock))).toBe('ERR_CIPHERTEXT_INVALID');
    const first = { id: keyring.active.id };
    await store.commit({
      writes: [
        { table: 'root_keys', key: first, change: { state: 'retired' } },
        { table: 'root_keys', key: { id }, change: { state: 'active' } },
      ],
    });
    expect(await codeOf(loadKeys(store, KEK, clock))).toBe('ERR_CIPHERTEXT_INVALID');
  });

  it('are not loaded when their MAC is missing', async () => {
    await createKeys();
    await store.commit({ writes: [{ table: 'meta', remove: { key: 'root-keys-mac' } }] });
    expect(await codeOf(loadKeys(store, KEK, clock))).toBe('ERR_CIPHERTEXT_INVALID');
  });
});
