import { generateRootKey } from '../../crypto/keys/root-keys.ts';
import { BrokerError, type ErrorCode } from '../../domain/errors.ts';
import type { Plan } from '../../ports/store.ts';
import type { Call } from '../access/call.ts';
import type { Access, Keys, Recording } from '../state/dependencies.ts';
import { recordFailure, recordOperation, requireRole } from '../recording/operation.ts';
import { commitAs, entryOf } from '../recording/record.ts';
import type { KeyringRowMacs } from '../kernel/row-macs.ts';
import type { LiveOperator } from '../state/operator-token-memory.ts';
import { readRewrapReport, type RewrapReport } from './rewrap-report.ts';
import {
  activeRow,
  changeRootKeys,
  pendingRow,
  readRootKeys,
  retiredRows,
  type RootKeyRow,
  type RootKeyRows,
} from './root-key-rows.ts';
import type { RootKeyWrappers } from './root-key-wrappers.ts';
import { ENCRYPTION_STEP } from './encryption-ledger.ts';
import { ROOT_KEYS } from '../../ports/queries.ts';

/** The broker rotates the root key by itself after this many encryptions, a quarter of what NIST SP 800-38D allows. */
export const MOST_ENCRYPTIONS = 2 ** 30;
/** A request that would leave more root keys than this is refused: something keeps the old ones from being destroyed. */
const MOST_ROOT_KEYS = 16;

/** Root keys, and the keys that wrap them. */
export interface RootKeyAccess extends Keys {
  readonly rows: KeyringRowMacs;
  readonly wrappers: RootKeyWrappers;
}

type Rotating = Recording & RootKeyAccess;

/**
 * Plans a new root key. Nothing is encrypted under it before the key worker activates it, when every broker has had time to read
 * it.
 * @throws ERR_SEALED if a key-encryption key of the configuration cannot wrap it, ERR_CONFLICT
 */
export async function planRotation(
  {
    keyring,
    wrappers,
    installation,
    clock,
  }: Pick<Rotating, 'keyring' | 'wrappers' | 'installation' | 'clock'>,
  before: RootKeyRows,
  isCompromised: boolean,
): Promise<{ readonly plan: Plan; readonly id: string }> {
  if (before.keys.length >= MOST_ROOT_KEYS)
    throw new BrokerError(
      'ERR_CONFLICT',
      `${before.keys.length} root keys are in use; "quaymaster keys status" shows what still needs the old ones`,
    );
  const active = keyring.find(activeRow(before).id);
  if (active === undefined) throw new BrokerError('ERR_BUSY', undefined, { retryAfterSeconds: 1 });
  const key = generateRootKey();
  const row: RootKeyRow = {
    id: key.id,
    commitment: key.commitment(installation),
    state: isCompromised ? 'replacing' : 'pending',
    created_at: clock.now(),
    seals: ENCRYPTION_STEP,
  };
  const wraps = await wrappers.wrapUnderAll(key, installation);
  key.forget();
  const changed = changeRootKeys(before, { keys: [...before.keys, row], wraps }, active);
  return { plan: { ...changed, invalidates: [`root-keys:pending/${row.id}`] }, id: row.id };
}

/** The rotation that is in progress, if the request asks for nothing more. */
function inProgress(rows: RootKeyRows, isCompromised: boolean): boolean {
  const pending = pendingRow(rows);
  if (pending !== undefined) return !isCompromised || pending.state === 'replacing';
  return !isCompromised && retiredRows(rows).length > 0;
}

/** Plans that a pending key marks the older keys as compromised when it is activated. */
function upgrade({ keyring }: Pick<Rotating, 'keyring'>, rows: RootKeyRows): Plan | undefined {
  const pending = pendingRow(rows);
  const active = keyring.find(activeRow(rows).id);
  if (pending === undefined || active === undefined) return undefined;
  const keys = rows.keys.map((row) =>
    row === pending ? { ...row, state: 'replacing' as const } : row,
  );
  return changeRootKeys(rows, { keys }, active);
}

export interface RotationOrder {
  readonly isCompromised: boolean;
  readonly comment: string;
}

/**
 * Starts a rotation of the root key, and returns its state. A request while one is in progress starts no other, unless it is the first to say that the
 * key was compromised. @throws ERR_DENIED, ERR_SEALED, ERR_CONFLICT
 */
export async function rotateRootKey(
  parts: Rotating & Access,
  call: Call,
  caller: LiveOperator,
  { isCompromised, comment }: RotationOrder,
): Promise<KeyStatus> {
  const cause = isCompromised ? 'compromised' : 'requested';
  const described = { action: 'key.rotate', cause, comment } as const;
  await commitAs(parts, caller, async (decidedAt, operator) => {
    requireRole(operator, 'admin');
    const rows = await readRootKeys(parts.store);
    const started = await (async (): Promise<{ plan: Plan; id?: string } | undefined> => {
      if (inProgress(rows, isCompromised)) return undefined;
      const upgraded = upgrade(parts, rows);
      return upgraded === undefined ? planRotation(parts, rows, isCompromised) : { plan: upgraded };
    })();
    const name = started?.id ?? pendingRow(rows)?.id ?? activeRow(rows).id;
    const document = { kind: 'root-key', name };
    return {
      plan: {
        ...started?.plan,
        decidedAt,
        reads: operator.fences,
        notAfter: operator.operator.endsAt,
        entries: [entryOf(parts, call, operator, { ...described, document, outcome: 'ok' })],
      },
      settle: () => undefined,
    };
  }).catch((error: unknown) => recordFailure({ parts, call, caller }, [described], error));
  return keyStatus(parts);
}

/** @throws ERR_DENIED */
export function readKeyStatus(
  parts: Rotating & Access,
  call: Call,
  caller: LiveOperator,
): Promise<KeyStatus> {
  return recordOperation({ parts, call, caller }, { action: 'key.list' }, (operator) => {
    requireRole(operator, 'admin');
    return keyStatus(parts);
  });
}

export interface RootKeyStatus {
  readonly id: string;
  readonly state: RootKeyRow['state'];
  readonly createdAt: number;
  readonly seals: number | undefined;
  /** The key-encryption keys that can open it. */
  readonly keks: readonly string[];
  /** Number of versions of embedded secrets whose data key it wraps. */
  readonly versions: number;
}

export interface KekStatus {
  readonly id: string;
  readonly isConfigured: boolean;
  /** Error of its last use; undefined if it worked. */
  readonly problem: ErrorCode | undefined;
}

export interface KeyStatus {
  readonly keys: readonly RootKeyStatus[];
  readonly keks: readonly KekStatus[];
  /** The last pass over the rows, in progress or finished. */
  readonly rewrap: RewrapReport | undefined;
  readonly isRotating: boolean;
}

async function keyStatus(parts: Pick<Rotating, 'store' | 'rows' | 'wrappers'>): Promise<KeyStatus> {
  const { store, wrappers } = parts;
  const rows = await readRootKeys(store);
  const keys = rows.keys.map(async ({ id, state, created_at, seals }) => ({
    id,
    state,
    createdAt: created_at,
    seals: seals ?? undefined,
    keks: rows.wraps.filter(({ root_key_id }) => root_key_id === id).map(({ kek_id }) => kek_id),
    versions: await store.count(ROOT_KEYS.versionsUnder(id)),
  }));
  const configured = wrappers.ids();
  const stored = rows.wraps.map(({ kek_id }) => kek_id);
  const problems = wrappers.problems();
  return {
    keys: await Promise.all(keys),
    keks: [...new Set([...configured, ...stored])].map((id) => ({
      id,
      isConfigured: configured.includes(id),
      problem: problems.get(id),
    })),
    rewrap: await readRewrapReport(parts),
    isRotating: pendingRow(rows) !== undefined || retiredRows(rows).length > 0,
  };
}

/**
 * Removes the wrappings of a key-encryption key that the configuration no longer has. Every root key must open with a configured key now.
 * @throws ERR_DENIED, ERR_CONFLICT if the configuration has the key, ERR_NOT_FOUND if it wraps nothing, ERR_SEALED
 */
export async function retireKek(
  parts: Rotating & Access,
  call: Call,
  caller: LiveOperator,
  { kek, comment }: { readonly kek: string; readonly comment: string },
): Promise<KeyStatus> {
  const described = {
    action: 'key.unwrap',
    document: { kind: 'kek', name: kek },
    comment,
  } as const;
  await commitAs(parts, caller, async (decidedAt, operator) => {
    requireRole(operator, 'admin');
    const rows = await readRootKeys(parts.store);
    const removed = rows.wraps.filter(({ kek_id }) => kek_id === kek);
    await requireOtherKek(parts, rows, kek);
    return {
      plan: {
        // A root key that was added meanwhile is not under the key: the configuration does not have it.
        writes: removed.map(({ root_key_id, kek_id }) => ({
          table: 'root_key_wraps' as const,
          remove: { root_key_id, kek_id },
        })),
        decidedAt,
        reads: operator.fences,
        notAfter: operator.operator.endsAt,
        entries: [
          entryOf(parts, call, operator, { ...described, outcome: 'ok', count: removed.length }),
        ],
      },
      settle: () => undefined,
    };
  }).catch((error: unknown) => recordFailure({ parts, call, caller }, [described], error));
  return keyStatus(parts);
}

async function requireOtherKek(
  { wrappers, installation }: Pick<Rotating, 'wrappers' | 'installation'>,
  { keys, wraps }: RootKeyRows,
  kek: string,
): Promise<void> {
  const configured = wrappers.ids();
  if (configured.includes(kek))
    throw new BrokerError(
      'ERR_CONFLICT',
      `the configuration has the key ${kek}: remove it there and restart every replica first`,
    );
  if (!wraps.some(({ kek_id }) => kek_id === kek))
    throw new BrokerError('ERR_NOT_FOUND', `no root key is wrapped by ${kek}`);
  for (const row of keys) {
    const others = wraps.filter(
      ({ root_key_id, kek_id }) => root_key_id === row.id && configured.includes(kek_id),
    );
    if (others.length === 0)
      throw new BrokerError('ERR_CONFLICT', `only ${kek} opens the root key ${row.id}`);
    for (const wrap of others) await wrappers.prove(row, wrap, installation);
  }
}
