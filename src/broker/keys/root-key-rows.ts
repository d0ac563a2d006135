import type { Keyring, RingKeys } from '../../crypto/keys/keyring.ts';
import { LookupKeys } from '../../crypto/keys/lookup-keys.ts';
import { macRow, verifyRow, type CanonicalFields } from '../../crypto/signatures/row-mac.ts';
import type { RootKey } from '../../crypto/keys/root-keys.ts';
import { BrokerError } from '../../domain/errors.ts';
import type { Expectation, Store, Write } from '../../ports/store.ts';
import type { Tables } from '../../ports/tables.ts';
import { allRows, ROOT_KEYS } from '../../ports/queries.ts';
import type { RootKeyWrappers } from './root-key-wrappers.ts';

export type RootKeyRow = Tables['root_keys'];
export type WrapRow = Tables['root_key_wraps'];

/** Row of `meta`: the installation's id. It exists once the store is initialised. */
export const INSTALLATION = 'installation';
/** Row of `meta`, hexadecimal; internals/spec/row-mac-v1.md, "Root keys". */
const MAC = 'root-keys-mac';
/** Row of `meta`, hexadecimal; internals/spec/root-keys-v1.md, "Lookup keys". */
const LOOKUP = 'lookup-keys';
const MOST_KEYS = 1_000;
const ATTEMPTS = 4;

/** State of the root keys in the store at one moment. */
export interface RootKeyRows {
  readonly keys: readonly RootKeyRow[];
  readonly wraps: readonly WrapRow[];
  /** Encrypted lookup keys, hexadecimal; undefined before the first rotation. */
  readonly lookup: string | undefined;
  readonly mac: string;
}

export async function readRootKeys(store: Store): Promise<RootKeyRows> {
  const [keys, wraps, lookup, mac] = await Promise.all([
    store.list(ROOT_KEYS.byAge(), { limit: MOST_KEYS }),
    store.list(allRows('root_key_wraps'), { limit: MOST_KEYS }),
    store.get('meta', { key: LOOKUP }),
    store.get('meta', { key: MAC }),
  ]);
  return { keys, wraps, lookup: lookup?.value, mac: mac?.value ?? '' };
}

/** @throws ERR_CONFIG_INVALID for a store that was never initialised */
export function activeRow({ keys }: Pick<RootKeyRows, 'keys'>): RootKeyRow {
  const active = keys.find(({ state }) => state === 'active');
  if (active !== undefined) return active;
  throw new BrokerError(
    'ERR_CONFIG_INVALID',
    'the store is not initialised: run "quaymaster init" once',
  );
}

export function pendingRow({ keys }: Pick<RootKeyRows, 'keys'>): RootKeyRow | undefined {
  return keys.find(({ state }) => state === 'pending' || state === 'replacing');
}

/** The key of the audit log; undefined if the log key is in a file. */
export function logRow({ keys }: Pick<RootKeyRows, 'keys'>): RootKeyRow | undefined {
  return keys.find(({ state }) => state === 'log');
}

/** The keys that only older rows still need. */
export function retiredRows({ keys }: Pick<RootKeyRows, 'keys'>): readonly RootKeyRow[] {
  return keys.filter(({ state }) => state === 'retired' || state === 'compromised');
}

/**
 * Collects the fields that the MAC under the active key covers: write access to the database alone cannot reactivate a key or set
 * back a count. The active key proves itself by this MAC; the key of the log is named by its commitment.
 */
function covered({ keys, lookup }: Pick<RootKeyRows, 'keys' | 'lookup'>): CanonicalFields {
  const fields: Record<string, string | number> = {};
  for (const { id, state, seals, commitment } of keys) {
    fields[id] = state;
    if (state === 'log') fields[`${id}/commitment`] = Buffer.from(commitment).toString('hex');
    if (seals !== null) fields[`${id}/seals`] = seals;
  }
  if (lookup !== undefined) fields[LOOKUP] = lookup;
  return fields;
}

/** @throws ERR_CIPHERTEXT_INVALID */
function verify(rows: RootKeyRows, active: RootKey): void {
  verifyRow(active.keyFor('rowMac'), 'root_keys', covered(rows), Buffer.from(rows.mac, 'hex'));
}

/**
 * Opens every root key of the store that is not in `known`.
 * @throws ERR_CONFIG_INVALID, ERR_SEALED, ERR_CIPHERTEXT_INVALID
 */
export async function openRootKeys(
  store: Store,
  { wrappers, installation }: { readonly wrappers: RootKeyWrappers; readonly installation: string },
  known?: Keyring,
): Promise<RingKeys> {
  for (let attempt = 1; ; attempt += 1) {
    const rows = await readRootKeys(store);
    try {
      return await openRows(rows, { wrappers, installation }, known);
    } catch (error) {
      // The rows may be of two moments, if another process changed them meanwhile.
      if (attempt === ATTEMPTS || BrokerError.from(error).code !== 'ERR_CIPHERTEXT_INVALID')
        throw error;
    }
  }
}

async function openRows(
  rows: RootKeyRows,
  { wrappers, installation }: { readonly wrappers: RootKeyWrappers; readonly installation: string },
  known: Keyring | undefined,
): Promise<RingKeys> {
  const activeId = activeRow(rows).id;
  const pendingId = pendingRow(rows)?.id;
  const logId = logRow(rows)?.id;
  const keys = new Map<string, RootKey>();
  for (const row of rows.keys)
    keys.set(
      row.id,
      known?.findWrapped(row.id) ?? (await wrappers.unwrap(row, rows.wraps, installation)),
    );
  const active = keys.get(activeId) as RootKey;
  verify(rows, active);
  const find = (id: string): RootKey | undefined => keys.get(id);
  return {
    active,
    older: [...keys.values()].filter(({ id }) => ![activeId, pendingId, logId].includes(id)),
    pending: pendingId === undefined ? undefined : keys.get(pendingId),
    log: logId === undefined ? undefined : keys.get(logId),
    ...(rows.lookup !== undefined && {
      lookup: LookupKeys.open(find, installation, Buffer.from(rows.lookup, 'hex')),
    }),
  };
}

/** A change of the rows: the keys as they will be, those that go, and new wrappings. */
export interface RootKeyChange {
  readonly keys: readonly RootKeyRow[];
  /** Encrypted lookup keys, if they change. */
  readonly lookup?: string | undefined;
  readonly wraps?: readonly WrapRow[];
  readonly removed?: readonly WrapRow[];
}

/** The writes for a change, under a MAC of the key that is active after it. They commit only if no process changed the keys since `before` was read. */
export function changeRootKeys(
  before: RootKeyRows,
  change: RootKeyChange,
  active: RootKey,
): { readonly expect: readonly Expectation[]; readonly writes: readonly Write[] } {
  const lookup = change.lookup ?? before.lookup;
  const mac = macRow(active.keyFor('rowMac'), 'root_keys', covered({ keys: change.keys, lookup }));
  const kept = new Set(change.keys.map(({ id }) => id));
  const changed = change.keys.filter((row) => !before.keys.includes(row));
  const writes: Write[] = [
    { table: 'meta', put: { key: MAC, value: mac.toString('hex') } },
    ...changed.map((put): Write => ({ table: 'root_keys', put })),
    ...before.keys
      .filter(({ id }) => !kept.has(id))
      .map(({ id }): Write => ({ table: 'root_keys', remove: { id } })),
    ...(change.wraps ?? []).map((put): Write => ({ table: 'root_key_wraps', put })),
    ...(change.removed ?? []).map(({ root_key_id, kek_id }): Write => ({
      table: 'root_key_wraps',
      remove: { root_key_id, kek_id },
    })),
  ];
  if (change.lookup !== undefined)
    writes.push({ table: 'meta', put: { key: LOOKUP, value: change.lookup } });
  const expect: Expectation =
    before.mac === ''
      ? { table: 'meta', key: { key: MAC }, absent: true }
      : { table: 'meta', key: { key: MAC }, match: { value: before.mac } };
  return { expect: [expect], writes };
}
