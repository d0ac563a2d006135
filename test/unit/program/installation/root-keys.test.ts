import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  keepKeys,
  loadKeys,
  makeKeys,
  planLogKeyIn,
  planLogKeyOut,
  type NewKeys,
} from '../../../../src/broker/keys/installation-keys.ts';
import { RootKeyWrappers } from '../../../../src/broker/keys/root-key-wrappers.ts';
import { readRootKeys } from '../../../../src/broker/keys/root-key-rows.ts';
import { generateRootKey, RootKey } from '../../../../src/crypto/keys/root-keys.ts';
import { generateSecretKey } from '../../../../src/crypto/random/secret-key.ts';
import { generateSigningKey } from '../../../../src/crypto/signatures/signing.ts';
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

describe('the log key in the store', () => {
  it('opens with the root keys, and not from a store that has none', async () => {
    const logKey = generateSigningKey();
    await keepKeys(store, await makeKeys(WRAPPERS, clock, logKey));
    const loaded = await loadKeys(store, WRAPPERS);
    expect(loaded.logKey?.exportPem()).toBe(logKey.exportPem());
    expect(loaded.keyring.newestFirst()).toHaveLength(1);
    const id = (await readRootKeys(store)).keys.find(({ state }) => state === 'log')?.id ?? '';
    expect(loaded.keyring.find(id)).toBeUndefined();
    expect(loaded.keyring.findWrapped(id)?.id).toBe(id);
  });

  it('is not loaded when a writer to the database who can wrap put another one in its place', async () => {
    const { installation } = await createLogKey();
    const [{ id, ...row } = missing()] = (await readRootKeys(store)).keys.filter(isLog);
    const other = new RootKey(id, generateSecretKey());
    const [wrap] = await WRAPPERS.wrapUnderAll(other, installation);
    const commitment = other.commitment(installation);
    await store.commit({
      writes: [
        { table: 'root_keys', put: { ...row, id, commitment } },
        { table: 'root_key_wraps', put: wrap! },
      ],
    });
    expect(await codeOf(loadKeys(store, WRAPPERS))).toBe('ERR_CIPHERTEXT_INVALID');
  });

  it('moves out of the store, and in again', async () => {
    const keys = await createLogKey();
    const { id: left, ...out } = await planLogKeyOut(store, keys);
    await store.commit(out);
    expect((await loadKeys(store, WRAPPERS)).logKey).toBeUndefined();
    expect((await readRootKeys(store)).wraps.map(({ root_key_id }) => root_key_id)).not.toContain(
      left,
    );
    expect(await codeOf(planLogKeyOut(store, keys))).toBe('ERR_CONFLICT');
    const logKey = keys.logKey!;
    const { id: entered, ...into } = await planLogKeyIn(store, keys, { logKey, clock });
    expect(entered).not.toBe(left);
    await store.commit(into);
    expect((await loadKeys(store, WRAPPERS)).logKey?.publicKey).toEqual(logKey.publicKey);
    expect(await codeOf(planLogKeyIn(store, keys, { logKey, clock }))).toBe('ERR_CONFLICT');
  });

  const isLog = ({ state }: { readonly state: string }): boolean => state === 'log';
  const missing = (): never => {
    throw new Error('the store has no log key');
  };

  async function createLogKey(): Promise<NewKeys> {
    const made = await makeKeys(WRAPPERS, clock, generateSigningKey());
    await keepKeys(store, made);
    return made;
  }
});
