import { hmac } from '../../crypto/hashes/digest.ts';
import { stateDigestMessage } from '../../crypto/aead/associated-data.ts';
import type { Keyring } from '../../crypto/keys/keyring.ts';
import { rowElement, type RowMacs } from '../../crypto/signatures/row-mac.ts';
import type { SecretKey } from '../../crypto/random/secret-key.ts';
import { SetHash } from '../../crypto/hashes/set-hash.ts';
import { BrokerError } from '../../domain/errors.ts';
import type { ColumnValue, TableName, Write } from '../../ports/store.ts';
import {
  macColumns,
  presentColumns,
  shapeOf,
  type DigestedTable,
  type Tables,
} from '../../ports/tables.ts';
import { misuse } from '../sql/column-value.ts';
import { DIGESTED, TABLES_WITH_MAC } from './guarded-tables.ts';

export type StoredRow = Readonly<Record<string, ColumnValue>>;
export type DigestRow = Tables['state_digests'];

/** The reason why the store is held and commits nothing. */
export interface HeldRows {
  readonly reason: 'rows_differ' | 'rows_behind' | 'index_damaged';
  /** The kind of row, which is its table. */
  readonly kind: TableName;
  /** The problem, with the row if it is known. */
  readonly what: string;
  /** The number of rows, or of differences if the rows are not known. */
  readonly count: number;
}

/** A digest without the state of its set. The names and their order follow the log format (internals/spec/state-digest-v1.md). */
export interface NamedDigest {
  readonly kind: string;
  readonly generation: number;
  readonly count: number;
  /** HMAC-SHA256 over the whole digest, base64url. */
  readonly digest: string;
}

/** The change of one write to one row of a digested table. */
export interface RowChange {
  readonly table: DigestedTable;
  readonly before: StoredRow | undefined;
  readonly after: StoredRow | undefined;
}

/** The change of one digest by a commit of this process. */
export interface DigestChange {
  readonly before: DigestRow;
  readonly after: DigestRow;
  /** The new elements of the changed rows, by row name, in the order of their writes; undefined for a removed row. */
  readonly elements: readonly (readonly [name: string, element: string | undefined])[];
}

/** The digests of a batch after its commit. */
export interface StagedDigests {
  readonly writes: readonly Write[];
  /** The bodies of the batch's entries. The last one names these digests. */
  readonly entries: (bodies: readonly string[]) => readonly string[];
  readonly keep: () => void;
}

export interface GuardKeys {
  readonly keyring: Keyring;
  readonly rows: RowMacs;
}

export interface RowGuardOptions {
  /** The entry body for a commit that changes a digest and records nothing else. */
  readonly entry: () => string;
}

/** Most differences that are kept and reported one by one. */
const MOST_HOLDS = 100;

/**
 * Maintains the MACs of rows that cause effects and the digests of rows that grant access, in the commit that changes them. An attacker with write
 * access to the database but without the root keys can forge neither. See internals/spec/state-digest-v1.md.
 */
export class RowGuard {
  readonly #options: RowGuardOptions;
  /** The last digests that this process read or wrote. An older one is a replay. */
  readonly #known = new Map<string, DigestRow>();
  #keys: GuardKeys | undefined;
  #isEnforcing = false;
  readonly #holds = new Map<string, HeldRows>();
  /** Kinds whose rows are compared with their digest after the start. */
  readonly #unproven = new Map<TableName, PromiseWithResolvers<undefined>>();
  readonly #listeners: ((held: HeldRows) => void)[] = [];
  readonly #followers: ((change: DigestChange) => void)[] = [];

  constructor(options: RowGuardOptions) {
    this.#options = options;
  }

  get isHeld(): boolean {
    return this.#holds.size > 0;
  }

  /** The detected differences, oldest first; empty if the rows are as the broker left them. */
  get holds(): readonly HeldRows[] {
    return [...this.#holds.values()];
  }

  /** Provides the keys for MACs and digests. Rows are read unchecked until `enforce`. */
  open(keys: GuardKeys): void {
    this.#keys = keys;
  }

  /** Requires a MAC on every row that is read after this call. */
  enforce(): void {
    this.#isEnforcing = true;
  }

  /** Registers a listener, which is called once for each difference. */
  onHold(listener: (held: HeldRows) => void): void {
    this.#listeners.push(listener);
  }

  /** Registers a listener, which is called for each digest that a commit of this process changed. */
  onChange(listener: (change: DigestChange) => void): void {
    this.#followers.push(listener);
  }

  /** Reads of this kind wait from now on, until its rows are compared with this digest or a newer one. */
  defer(digest: DigestRow): void {
    const kind = digest.kind as DigestedTable;
    this.accept(kind, digest);
    const waiting = Promise.withResolvers<undefined>();
    // It may fail while no read waits.
    waiting.promise.catch(() => undefined);
    this.#unproven.set(kind, waiting);
  }

  /** Kinds of rows that are not compared with their digest yet. */
  get unproven(): readonly DigestedTable[] {
    return DIGESTED.filter((kind) => this.#unproven.has(kind));
  }

  /** The rows of this kind match their digest. */
  prove(kind: DigestedTable): void {
    this.#unproven.get(kind)?.resolve(undefined);
    this.#unproven.delete(kind);
  }

  /** Reads of kinds that are not proven yet fail if the broker has erased its keys. @returns whether it has */
  refuseUnprovenIfSealed(): boolean {
    const { isSealed } = this.#opened().keyring;
    if (isSealed) this.#refuseUnproven(new BrokerError('ERR_SEALED'));
    return isSealed;
  }

  #refuseUnproven(error: BrokerError): void {
    for (const { reject } of this.#unproven.values()) reject(error);
  }

  /** Resolves when the rows of this kind match their digest; undefined if they do. Rejects with ERR_HELD if any rows differ. */
  proof(kind: TableName): Promise<unknown> | undefined {
    return this.#unproven.size === 0 ? undefined : this.#unproven.get(kind)?.promise;
  }

  /** Stops all commits. @returns the error for the caller that found the difference. */
  hold(held: HeldRows): BrokerError {
    this.#refuseUnproven(new BrokerError('ERR_HELD'));
    if (this.#holds.size < MOST_HOLDS && !this.#holds.has(held.what)) {
      this.#holds.set(held.what, held);
      for (const listener of this.#listeners) listener(held);
    }
    return new BrokerError('ERR_CIPHERTEXT_INVALID', undefined, {
      reason: held.reason,
      cause: new Error(held.what),
    });
  }

  /** Refuses one plan instead of its whole batch. @throws ERR_SEALED if the broker has erased its keys. */
  requireKeys(): void {
    if (this.#opened().keyring.isSealed) throw new BrokerError('ERR_SEALED');
  }

  /** Adds the MAC to a row. The claim of an initialisation is written before there are keys, so it has no MAC. */
  withMac(table: TableName, row: StoredRow): StoredRow {
    if (this.#keys === undefined && table === 'claims') return row;
    return { ...row, mac: this.#opened().rows.mac(table, macColumns(row)) };
  }

  /** Checks a row after a read. @throws ERR_CIPHERTEXT_INVALID, and holds the store, for a row without a MAC of this installation's keys. */
  check(table: TableName, row: StoredRow): void {
    if (!this.#isEnforcing || !TABLES_WITH_MAC.has(table) || this.hasMac(table, row)) return;
    const what = `${nameOf(table, row)} has no valid MAC`;
    throw this.hold({ reason: 'rows_differ', kind: table, what, count: 1 });
  }

  checkAll(table: TableName, rows: readonly StoredRow[]): void {
    if (!TABLES_WITH_MAC.has(table)) return;
    for (const row of rows) this.check(table, row);
  }

  /** Reports whether a root key of this installation made the MAC of the row. */
  hasMac(table: TableName, row: StoredRow): boolean {
    const { rows } = this.#opened();
    try {
      rows.verify(table, macColumns(row), row['mac'] as Uint8Array);
      return true;
    } catch (error) {
      return unlessSealed(error);
    }
  }

  /** The element of a row in the digest of its table. It uses the root key that the digest names; for a new digest, the active one. */
  element(rootKeyId: string | undefined, table: DigestedTable, row: StoredRow): string {
    const id = rootKeyId ?? this.#opened().keyring.active.id;
    return rowElement(this.#digestKey(id), table, presentColumns(row));
  }

  /** The short form of a digest in the log and the backup manifest. */
  shortDigest({ root_key_id, kind, generation, count, state }: DigestRow): string {
    const message = stateDigestMessage(kind, generation, count, state);
    return hmac(this.#digestKey(root_key_id), message).toString('base64url');
  }

  /** Creates a digest row under the active root key. */
  createDigest(
    kind: DigestedTable,
    content: { readonly generation: number; readonly count: number; readonly set: SetHash },
  ): DigestRow {
    const { generation, count, set } = content;
    const { keyring, rows } = this.#opened();
    const root_key_id = keyring.active.id;
    const fields = { kind, root_key_id, generation, count, state: set.state() };
    return { ...fields, mac: rows.mac('state_digests', fields) };
  }

  /** Reports whether a root key of this installation made the MAC of the digest. */
  isDigest({ mac, ...fields }: DigestRow): boolean {
    try {
      this.#opened().rows.verify('state_digests', fields, mac);
      return true;
    } catch (error) {
      return unlessSealed(error);
    }
  }

  /** The newest generation that this process read or wrote. */
  generationOf(kind: DigestedTable): number {
    return this.#known.get(kind)?.generation ?? 0;
  }

  /**
   * Accepts a stored digest. `least` is the generation that was known before a read without the lock. A commit of this process may finish during the
   * read. The digest is then older than the newest one, but still valid.
   * @throws ERR_CIPHERTEXT_INVALID, and holds the store, if the digest is missing, forged or older than `least`.
   */
  accept(
    kind: DigestedTable,
    row: DigestRow | undefined,
    least = this.generationOf(kind),
  ): DigestRow {
    const checked = this.checkDigest(kind, row, least);
    if ('problem' in checked) throw this.hold(checked.problem);
    const { digest } = checked;
    if (digest.generation >= this.generationOf(kind)) this.#known.set(kind, digest);
    return digest;
  }

  /** The stored digest of a kind, or what is wrong with it: it is missing, forged, or older than `least`. */
  checkDigest(
    kind: DigestedTable,
    row: DigestRow | undefined,
    least: number,
  ): { readonly digest: DigestRow } | { readonly problem: HeldRows } {
    const problem = (reason: HeldRows['reason'], what: string): { readonly problem: HeldRows } => ({
      problem: { reason, kind, what: `${kind}: its digest ${what}`, count: 1 },
    });
    if (row === undefined) return problem('rows_behind', 'is missing');
    if (!this.isDigest(row)) return problem('rows_differ', 'has no valid MAC');
    if (row.generation < least)
      return problem(
        'rows_behind',
        `has generation ${row.generation}, but ${least} was seen before`,
      );
    return { digest: row };
  }

  /** The digests that these changes affect, in lock order. */
  kindsOf(changes: readonly RowChange[]): readonly DigestedTable[] {
    return DIGESTED.filter((kind) => changes.some(({ table }) => table === kind));
  }

  /** Stages the digests of changed rows. @throws ERR_CIPHERTEXT_INVALID as `accept`. */
  stage(changes: readonly RowChange[], stored: readonly (DigestRow | undefined)[]): StagedDigests {
    const kinds = this.kindsOf(changes);
    const staged = kinds.map((kind, index) => {
      const before = this.accept(kind, stored[index]);
      return this.#changed(
        before,
        changes.filter(({ table }) => table === kind),
      );
    });
    const after = staged.map((change) => change.after);
    return {
      writes: after.map((put) => ({ table: 'state_digests', put })),
      entries: (bodies) => this.withState(bodies, this.member(after)),
      keep: () => {
        for (const change of staged) this.#keep(change);
      },
    };
  }

  /** Returns a digest as the log and the manifest of a backup name it. */
  named(row: DigestRow): NamedDigest {
    const { kind, generation, count } = row;
    return { kind, generation, count, digest: this.shortDigest(row) };
  }

  /** Returns `"state":[…]` as the last entry of a commit contains it. */
  member(digests: readonly DigestRow[]): string {
    return `"state":${JSON.stringify(digests.map((row) => this.named(row)))}`;
  }

  /** Returns the bodies of a batch with the changed digests in the last one. */
  withState(bodies: readonly string[], member: string): readonly string[] {
    const all = bodies.length === 0 ? [this.#options.entry()] : bodies;
    const last = all.at(-1) ?? '';
    return [...all.slice(0, -1), `${last.slice(0, -1)},${member}}`];
  }

  #keep(change: DigestChange): void {
    const { after } = change;
    this.#known.set(after.kind, after);
    for (const follow of this.#followers) follow(change);
  }

  #changed(before: DigestRow, changes: readonly RowChange[]): DigestChange {
    const set = SetHash.from(before.state);
    const elements: [string, string | undefined][] = [];
    let { count } = before;
    for (const { table, before: old, after } of changes) {
      if (old !== undefined) {
        set.remove(this.element(before.root_key_id, table, old));
        count -= 1;
      }
      const element = after && this.element(before.root_key_id, table, after);
      if (element !== undefined) {
        set.add(element);
        count += 1;
      }
      elements.push([nameOf(table, after ?? old ?? {}), element]);
    }
    const { kind, root_key_id } = before;
    const fields = {
      kind,
      root_key_id,
      count: Math.max(count, 0),
      state: set.state(),
      generation: before.generation + 1,
    };
    const mac = this.#opened().rows.mac('state_digests', fields);
    return { before, after: { ...fields, mac }, elements };
  }

  #digestKey(rootKeyId: string): SecretKey {
    const root = this.#opened().keyring.find(rootKeyId);
    if (root === undefined) throw new BrokerError('ERR_CIPHERTEXT_INVALID');
    return root.keyFor('stateDigest');
  }

  #opened(): GuardKeys {
    if (this.#keys === undefined) throw misuse('guarded rows need the root keys');
    return this.#keys;
  }
}

/** Returns the table and the primary key: `credentials cred_1`, `documents policy/web`. */
export function nameOf(table: TableName, row: StoredRow): string {
  return `${table} ${shapeOf(table)
    .key.map((column) => String(row[column]))
    .join('/')}`;
}

/** A broker that has erased its keys cannot check any row. @throws ERR_SEALED */
function unlessSealed(error: unknown): false {
  if (error instanceof BrokerError && error.code === 'ERR_SEALED') throw error;
  return false;
}
