import { dirname } from 'node:path';
import { BrokerError } from '../domain/errors.ts';
import { openKek } from './backends.ts';
import type { Config } from './config/schema.ts';
import type { CallContext } from '../ports/call-context.ts';
import type { Clock } from '../ports/clock.ts';
import { withDeadline } from '../ports/deadline.ts';
import type { KeyEncryptionKey } from '../ports/key-encryption-key.ts';
import type { Plan, Store } from '../ports/store.ts';
import type { Tables } from '../ports/tables.ts';
import { ROOT_KEYS } from '../ports/queries.ts';
import { Keyring } from '../crypto/keyring.ts';
import { macRow, verifyRow, type CanonicalFields } from '../crypto/row-mac.ts';
import { constantTimeEqual } from '../crypto/digest.ts';
import { SECRET_KEY_BYTES, type SecretKey } from '../crypto/secret-key.ts';
import { randomBytes, randomId } from '../crypto/random.ts';
import { generateRootKey, unwrapRootKey, wrapRootKey, type RootKey } from '../crypto/root-keys.ts';

const DEADLINE_MS = 10_000;
/** Row of `meta` that exists once the store is initialised. */
export const INSTALLATION = 'installation';
/** Hexadecimal; docs/spec/row-mac-v1.md, "Root keys". */
const ROOT_KEYS_MAC = 'root-keys-mac';

/** The identity of an installation and its keys. */
export interface InstallationKeys {
  readonly installation: string;
  readonly keyring: Keyring;
}

/** The directory of the store's files; undefined for a database server. Key files must be outside it. */
export function dataDirectory(config: Config): string | undefined {
  return config.store.type === 'sqlite' ? dirname(config.store.path) : undefined;
}

/** The key-encryption key of the configuration. @throws ERR_CONFIG_INVALID, ERR_SEALED */
export function kekOf(config: Config, clock: Clock): Promise<KeyEncryptionKey> {
  return openKek(config.kek, { clock, dataDirectory: dataDirectory(config) });
}

/** Wraps and unwraps a random text with the key-encryption key. @returns its id @throws ERR_CONFIG_INVALID, ERR_SEALED, ERR_CIPHERTEXT_INVALID */
export async function tryKek(config: Config, clock: Clock): Promise<string> {
  const kek = await kekOf(config, clock);
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
export async function loadKeys(
  store: Store,
  kek: KeyEncryptionKey,
  clock: Clock,
): Promise<InstallationKeys> {
  const installation = await store.get('meta', { key: INSTALLATION });
  const rows = await store.list(ROOT_KEYS.byAge(), { limit: 1_000 });
  const active = rows.find(({ state }) => state === 'active');
  if (installation === undefined || active === undefined) {
    throw new BrokerError(
      'ERR_CONFIG_INVALID',
      'the store is not initialised: run "quaymaster init" once',
    );
  }
  const open = async (row: Tables['root_keys']): Promise<RootKey> =>
    atStart(clock, (context) =>
      unwrapRootKey(
        {
          id: row.id,
          kekId: row.kek_id,
          wrapped: row.wrapped,
          commitment: row.commitment,
          createdAt: row.created_at,
        },
        { kek, installation: installation.value, context },
      ),
    );
  const older = await Promise.all(rows.filter((row) => row !== active).map(open));
  const root = await open(active);
  const seal = await store.get('meta', { key: ROOT_KEYS_MAC });
  verifyRow(rootMacKey(root), 'root_keys', states(rows), Buffer.from(seal?.value ?? '', 'hex'));
  return { installation: installation.value, keyring: new Keyring(root, older) };
}

/** The keys of a new installation, and the plan that writes them to its store. The plan conflicts if the store already has keys. */
export interface NewKeys extends InstallationKeys {
  readonly plan: Plan;
}

/** Creates an installation id and a first root key. The store is not initialised until the plan is committed. */
export async function makeKeys(kek: KeyEncryptionKey, clock: Clock): Promise<NewKeys> {
  const installation = randomId('inst');
  const rootKey = generateRootKey();
  const createdAt = clock.now();
  const wrapped = await atStart(clock, (context) =>
    wrapRootKey(rootKey, createdAt, { kek, installation, context }),
  );
  const mac = macRow(
    rootMacKey(rootKey),
    'root_keys',
    states([{ id: wrapped.id, state: 'active' }]),
  );
  const plan: Plan = {
    expect: [{ table: 'meta', key: { key: INSTALLATION }, absent: true }],
    writes: [
      { table: 'meta', put: { key: INSTALLATION, value: installation } },
      { table: 'meta', put: { key: ROOT_KEYS_MAC, value: mac.toString('hex') } },
      {
        table: 'root_keys',
        put: {
          id: wrapped.id,
          kek_id: wrapped.kekId,
          wrapped: wrapped.wrapped,
          commitment: wrapped.commitment,
          state: 'active',
          created_at: createdAt,
        },
      },
    ],
  };
  return { installation, keyring: new Keyring(rootKey), plan };
}

/** Writes the new keys to the store. @throws ERR_CONFLICT if it already has keys. */
export async function keepKeys(store: Store, { plan }: NewKeys): Promise<void> {
  const outcome = await store.commit(plan);
  if (outcome.status !== 'committed') {
    throw new BrokerError('ERR_CONFLICT', 'the store is initialised already');
  }
}

/** The keys and their states, under a MAC of the active key. Write access to the database alone cannot reactivate a retired key. */
function states(rows: readonly Pick<Tables['root_keys'], 'id' | 'state'>[]): CanonicalFields {
  return Object.fromEntries(rows.map(({ id, state }) => [id, state]));
}

function rootMacKey(root: RootKey): SecretKey {
  return root.keyFor('rowMac');
}

function atStart<T>(clock: Clock, work: (context: CallContext) => Promise<T>): Promise<T> {
  const requestId = randomId('req');
  return withDeadline(clock, DEADLINE_MS, (signal) => work({ requestId, signal }));
}
