import { BrokerError } from '../../domain/errors.ts';
import { Keyring } from '../../crypto/keys/keyring.ts';
import { generateRootKey } from '../../crypto/keys/root-keys.ts';
import { randomId } from '../../crypto/random/random.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Plan, Store } from '../../ports/store.ts';
import { changeRootKeys, INSTALLATION, openRootKeys, type RootKeyRow } from './root-key-rows.ts';
import type { RootKeyWrappers } from './root-key-wrappers.ts';
import { ENCRYPTION_STEP } from './encryption-ledger.ts';

/** The identity of an installation and its keys. */
export interface InstallationKeys {
  readonly installation: string;
  readonly keyring: Keyring;
  readonly wrappers: RootKeyWrappers;
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
    seals: ENCRYPTION_STEP,
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
