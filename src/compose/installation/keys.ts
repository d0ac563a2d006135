import { dirname } from 'node:path';
import { BrokerError } from '../../domain/errors.ts';
import { openKek } from '../configuration/backends.ts';
import type { Config } from '../config/schema.ts';
import {
  changeRootKeys,
  INSTALLATION,
  openRootKeys,
  type RootKeyRow,
} from '../../broker/keys/root-key-rows.ts';
import { RootKeyWrappers, type UnopenedKek } from '../../broker/keys/root-key-wrappers.ts';
import { SEAL_STEP } from '../../broker/keys/seal-ledger.ts';
import type { CallContext } from '../../ports/call-context.ts';
import type { Clock } from '../../ports/clock.ts';
import { withDeadline } from '../../ports/deadline.ts';
import type { KeyEncryptionKey } from '../../ports/key-encryption-key.ts';
import type { Plan, Store } from '../../ports/store.ts';
import { Keyring } from '../../crypto/keys/keyring.ts';
import { constantTimeEqual } from '../../crypto/hashes/digest.ts';
import { SECRET_KEY_BYTES } from '../../crypto/keys/secret-key.ts';
import { randomBytes, randomId } from '../../crypto/random/random.ts';
import { generateRootKey } from '../../crypto/keys/root-keys.ts';

const DEADLINE_MS = 10_000;
export { INSTALLATION };

/** The identity of an installation and its keys. */
export interface InstallationKeys {
  readonly installation: string;
  readonly keyring: Keyring;
  readonly wrappers: RootKeyWrappers;
}

/** The directory of the store's files; undefined for a database server. Key files must be outside it. */
export function dataDirectory(config: Config): string | undefined {
  return config.store.type === 'sqlite' ? dirname(config.store.path) : undefined;
}

/**
 * The key-encryption keys of the configuration. If one of two cannot be opened, the other one serves.
 * @throws ERR_CONFIG_INVALID for a key that is not one; ERR_SEALED if none can be opened
 */
export async function openWrappers(config: Config, clock: Clock): Promise<RootKeyWrappers> {
  const opened: KeyEncryptionKey[] = [];
  const missing: UnopenedKek[] = [];
  let failure: BrokerError | undefined;
  for (const name of ['kek', 'secondKek'] as const) {
    const own = config[name];
    if (own === undefined) continue;
    const open = (): Promise<KeyEncryptionKey> =>
      openKek(own, { clock, dataDirectory: dataDirectory(config) });
    try {
      opened.push(await open());
    } catch (error) {
      failure = BrokerError.from(error);
      if (failure.code !== 'ERR_SEALED') throw failure;
      missing.push({ name: `${own.type} (${name})`, open });
    }
  }
  if (opened.length === 0) throw failure ?? new BrokerError('ERR_SEALED');
  return new RootKeyWrappers(opened, clock, missing);
}

/** Wraps and unwraps a random text with the key-encryption key. @returns its id @throws ERR_CONFIG_INVALID, ERR_SEALED, ERR_CIPHERTEXT_INVALID */
export async function tryKek(config: Config, clock: Clock): Promise<string> {
  const kek = await openKek(config.kek, { clock, dataDirectory: dataDirectory(config) });
  const text = randomBytes(SECRET_KEY_BYTES);
  const purpose = Buffer.from('quaymaster doctor');
  await atStart(clock, async (context) => {
    const wrapped = await kek.wrap(text, purpose, context);
    const unwrapped = await kek.unwrap(wrapped, purpose, context);
    if (!constantTimeEqual(unwrapped, text)) throw new BrokerError('ERR_CIPHERTEXT_INVALID');
  });
  return kek.id;
}

/** Unwraps every root key of the store. @throws ERR_CONFIG_INVALID for a store that was never initialised, ERR_SEALED, ERR_CIPHERTEXT_INVALID */
export async function loadKeys(store: Store, wrappers: RootKeyWrappers): Promise<InstallationKeys> {
  const row = await store.get('meta', { key: INSTALLATION });
  const installation = row?.value ?? '';
  const keys = await openRootKeys(store, { wrappers, installation });
  const keyring = new Keyring(keys.active);
  keyring.replace(keys);
  return { installation, keyring, wrappers };
}

/** Reads the root keys that the store has now into the ring. @throws as `loadKeys` */
export async function rereadKeys(store: Store, keys: InstallationKeys): Promise<void> {
  keys.keyring.replace(await openRootKeys(store, keys, keys.keyring));
}

/** The keys of a new installation, and the plan that writes them to its store. The plan conflicts if the store already has keys. */
export interface NewKeys extends InstallationKeys {
  readonly plan: Plan;
}

/** Creates an installation id and a first root key. The store is not initialised until the plan is committed. */
export async function makeKeys(wrappers: RootKeyWrappers, clock: Clock): Promise<NewKeys> {
  const installation = randomId('inst');
  const rootKey = generateRootKey();
  const wraps = await wrappers.wrapUnderAll(rootKey, installation);
  const row: RootKeyRow = {
    id: rootKey.id,
    commitment: rootKey.commitment(installation),
    state: 'active',
    created_at: clock.now(),
    seals: SEAL_STEP,
  };
  const nothing = { keys: [], wraps: [], lookup: undefined, mac: '' };
  const { expect, writes } = changeRootKeys(nothing, { keys: [row], wraps }, rootKey);
  const plan: Plan = {
    expect: [{ table: 'meta', key: { key: INSTALLATION }, absent: true }, ...expect],
    writes: [{ table: 'meta', put: { key: INSTALLATION, value: installation } }, ...writes],
  };
  return { installation, keyring: new Keyring(rootKey), wrappers, plan };
}

/** Writes the new keys to the store. @throws ERR_CONFLICT if it already has keys. */
export async function keepKeys(store: Store, { plan }: NewKeys): Promise<void> {
  const outcome = await store.commit(plan);
  if (outcome.status !== 'committed') {
    throw new BrokerError('ERR_CONFLICT', 'the store is initialised already');
  }
}

function atStart<T>(clock: Clock, work: (context: CallContext) => Promise<T>): Promise<T> {
  const requestId = randomId('req');
  return withDeadline(clock, DEADLINE_MS, (signal) => work({ requestId, signal }));
}
