import { BrokerError } from '../../domain/errors.ts';
import { Keyring } from '../../crypto/keys/keyring.ts';
import {
  generateRootKey,
  logKeyOf,
  wrappableLogKey,
  type RootKey,
} from '../../crypto/keys/root-keys.ts';
import { randomId } from '../../crypto/random/random.ts';
import type { SigningKey } from '../../crypto/signatures/signing.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Plan, Store } from '../../ports/store.ts';
import {
  changeRootKeys,
  INSTALLATION,
  logRow,
  openRootKeys,
  readRootKeys,
  type RootKeyRow,
} from './root-key-rows.ts';
import type { RootKeyWrappers } from './root-key-wrappers.ts';
import { ENCRYPTION_STEP } from './encryption-ledger.ts';

/** The identity of an installation and its keys. */
export interface InstallationKeys {
  readonly installation: string;
  readonly keyring: Keyring;
  readonly wrappers: RootKeyWrappers;
  /** The key of the audit log; undefined if the store does not keep it. */
  readonly logKey?: SigningKey | undefined;
}

/** Unwraps every root key of the store. @throws ERR_CONFIG_INVALID for a store that was never initialised, ERR_SEALED, ERR_CIPHERTEXT_INVALID */
export async function loadKeys(store: Store, wrappers: RootKeyWrappers): Promise<InstallationKeys> {
  const row = await store.get('meta', { key: INSTALLATION });
  const installation = row?.value ?? '';
  const keys = await openRootKeys(store, { wrappers, installation });
  const keyring = new Keyring(keys.active);
  keyring.replace(keys);
  return { installation, keyring, wrappers, logKey: keys.log && logKeyOf(keys.log) };
}

/** Reads the root keys that the store has now into the ring. @throws as `loadKeys` */
export async function rereadKeys(store: Store, keys: InstallationKeys): Promise<void> {
  keys.keyring.replace(await openRootKeys(store, keys, keys.keyring));
}

/** The keys of a new installation, and the plan that writes them to its store. The plan conflicts if the store already has keys. */
export interface NewKeys extends InstallationKeys {
  readonly plan: Plan;
}

/**
 * Creates an installation id and a first root key. With `logKey`, the store keeps that key of the log too. The store is not initialised until the plan is
 * committed.
 */
export async function makeKeys(
  wrappers: RootKeyWrappers,
  clock: Clock,
  logKey?: SigningKey,
): Promise<NewKeys> {
  const installation = randomId('inst');
  const rootKey = generateRootKey();
  const log = logKey && wrappableLogKey(logKey);
  const made = [rootKey, ...(log === undefined ? [] : [log])];
  const wraps = await Promise.all(made.map((key) => wrappers.wrapUnderAll(key, installation)));
  const row: RootKeyRow = {
    id: rootKey.id,
    commitment: rootKey.commitment(installation),
    state: 'active',
    created_at: clock.now(),
    seals: ENCRYPTION_STEP,
  };
  const keys = [row, ...(log === undefined ? [] : [newLogRow(log, installation, clock)])];
  const nothing = { keys: [], wraps: [], lookup: undefined, mac: '' };
  const { expect, writes } = changeRootKeys(nothing, { keys, wraps: wraps.flat() }, rootKey);
  const plan: Plan = {
    expect: [{ table: 'meta', key: { key: INSTALLATION }, absent: true }, ...expect],
    writes: [{ table: 'meta', put: { key: INSTALLATION, value: installation } }, ...writes],
  };
  const keyring = new Keyring(rootKey);
  keyring.replace({ active: rootKey, log });
  return { installation, keyring, wrappers, logKey, plan };
}

function newLogRow(log: RootKey, installation: string, clock: Clock): RootKeyRow {
  const commitment = log.commitment(installation);
  return { id: log.id, commitment, state: 'log', created_at: clock.now(), seals: null };
}

/** Plans that the store keeps the key of the log from now on. @throws ERR_CONFLICT if it keeps one, ERR_SEALED */
export async function planLogKeyIn(
  store: Store,
  { installation, keyring, wrappers }: InstallationKeys,
  { logKey, clock }: { readonly logKey: SigningKey; readonly clock: Clock },
): Promise<Plan & { readonly id: string }> {
  const before = await readRootKeys(store);
  if (logRow(before) !== undefined)
    throw new BrokerError('ERR_CONFLICT', 'the store has a log key already, which stays');
  const log = wrappableLogKey(logKey);
  const wraps = await wrappers.wrapUnderAll(log, installation);
  const keys = [...before.keys, newLogRow(log, installation, clock)];
  return { ...changeRootKeys(before, { keys, wraps }, keyring.active), id: log.id };
}

/** Plans that the store no longer keeps the key of the log. @throws ERR_CONFLICT if it keeps none */
export async function planLogKeyOut(
  store: Store,
  { keyring }: InstallationKeys,
): Promise<Plan & { readonly id: string }> {
  const before = await readRootKeys(store);
  const log = logRow(before);
  if (log === undefined) throw new BrokerError('ERR_CONFLICT', 'the store has no log key');
  const keys = before.keys.filter((row) => row !== log);
  const removed = before.wraps.filter(({ root_key_id }) => root_key_id === log.id);
  return { ...changeRootKeys(before, { keys, removed }, keyring.active), id: log.id };
}

/** Writes the new keys to the store. @throws ERR_CONFLICT if it already has keys. */
export async function keepKeys(store: Store, { plan }: NewKeys): Promise<void> {
  const outcome = await store.commit(plan);
  if (outcome.status !== 'committed') {
    throw new BrokerError('ERR_CONFLICT', 'the store is initialised already');
  }
}
