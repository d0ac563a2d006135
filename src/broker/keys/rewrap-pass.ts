import { setImmediate as loopTurn } from 'node:timers/promises';
import { decryptValue, rewrapDek, encryptValue } from '../../crypto/encryption/envelope.ts';
import type { RootKey } from '../../crypto/keys/root-keys.ts';
import { rootKeyIdOf } from '../../crypto/keys/encrypted-column.ts';
import { decryptAt, encryptAt, encryptedColumns } from '../kernel/encrypted-columns.ts';
import { BrokerError } from '../../domain/errors.ts';
import type { Log } from '../../ports/log.ts';
import { allRows, ROOT_KEYS } from '../../ports/queries.ts';
import type { ColumnValue, Expectation, TableName, Write } from '../../ports/store.ts';
import { macColumns, SCHEMA, shapeOf, type Tables } from '../../ports/tables.ts';
import type { Storage } from '../state/dependencies.ts';
import {
  reportWrite,
  type ExposedValues,
  type IssuedLease,
  type RewrapReport,
} from './rewrap-report.ts';
import type { RootKeyAccess } from './rotate-keys.ts';

const PAGE = 100;
const MOST_EXPOSED = 100;

type Row = Readonly<Record<string, ColumnValue>>;

/** The tables whose rows have a MAC. The digests have their own step, because they are computed over all rows. */
const MAC_TABLES = (Object.keys(SCHEMA) as TableName[]).filter(
  (table) => 'mac' in SCHEMA[table].columns && table !== 'state_digests',
);

/** The right to work on the rows; undefined once another broker has it. */
export interface WorkClaim {
  take(): Promise<Expectation | undefined>;
  giveUp(): Promise<void>;
}

/** Rows whose MACs belong to other rooms. @returns the number of rows that are not under the active key yet. */
export interface OtherRows {
  readonly name: string;
  rewrap(): Promise<number>;
}

export type RewrapParts = Storage &
  Pick<RootKeyAccess, 'keyring' | 'installation' | 'rows'> & {
    readonly log: Log;
    readonly claim: WorkClaim;
    readonly others: readonly OtherRows[];
  };

interface PassOptions {
  /** Root keys whose values get new data keys. */
  readonly compromised: ReadonlySet<string>;
  /** Root keys that only older rows need. */
  readonly retired: readonly string[];
  /** Time at which the active key was created. */
  readonly since: number;
  readonly signal: AbortSignal;
}

export interface PassResult {
  /** True if every row was seen, and none needs an older key. */
  readonly isClean: boolean;
  readonly report: RewrapReport;
}

interface RowChange {
  readonly expect: Expectation;
  readonly write: Write;
  readonly reencrypted?: boolean;
}

/**
 * One pass over every row that depends on a root key. It rewraps, encrypts and authenticates again what is not under the active
 * key, a page for each commit. A page commits only while this broker has the claim, and a row only if no process changed it since
 * it was read. After a crash the next pass checks the rows that are done, and continues with the others.
 */
export class RewrapPass {
  readonly #parts: RewrapParts;
  readonly #options: PassOptions;
  readonly #active: RootKey;
  /** The paths of embedded secrets by their ids. */
  readonly #paths = new Map<string, string>();
  readonly #exposed: {
    values: number;
    paths: string[];
    credentials: number;
    issued: IssuedLease[];
  };
  #report: RewrapReport;
  /** Rows that could not be rewrapped in this pass. */
  #left = 0;
  #changed = 0;
  #isStopped = false;

  constructor(parts: RewrapParts, options: PassOptions) {
    this.#parts = parts;
    this.#options = options;
    this.#active = parts.keyring.active;
    const now = parts.clock.now();
    this.#exposed = { values: 0, paths: [], credentials: 0, issued: [] };
    this.#report = {
      rootKey: this.#active.id,
      startedAt: now,
      updatedAt: now,
      checked: 0,
      rewrapped: 0,
      reencrypted: 0,
    };
  }

  async run(before: RewrapReport | undefined): Promise<PassResult> {
    if (before?.rootKey === this.#active.id) {
      const { startedAt, rewrapped, reencrypted } = before;
      this.#report = { ...this.#report, startedAt, rewrapped, reencrypted };
    }
    for (const table of MAC_TABLES) await this.#table(table);
    for (const id of this.#options.retired) await this.#versions(id);
    for (const other of this.#parts.others) {
      if (this.#isStopped) break;
      this.#at(other.name);
      this.#left += await other.rewrap();
    }
    const isClean = !this.#isStopped && this.#left === 0 && this.#changed === 0;
    if (isClean && this.#options.compromised.size > 0)
      this.#report = { ...this.#report, exposed: this.#exposedValues() };
    return { isClean, report: this.#report };
  }

  async #table(table: TableName): Promise<void> {
    this.#at(table);
    let after: Row | undefined;
    while (!this.#isStopped) {
      const page = (await this.#parts.store.list(allRows(table), {
        limit: PAGE,
        after,
      })) as readonly Row[];
      const changes: RowChange[] = [];
      for (const row of page) {
        await this.#note(table, row);
        const change = this.#attempt(table, row, () => this.#rowChange(table, row));
        if (change !== undefined) changes.push(change);
      }
      await this.#commit(changes, page.length);
      after = page.at(-1);
      if (page.length < PAGE) return;
    }
  }

  /** The data keys that one older root key wraps. */
  async #versions(rootKeyId: string): Promise<void> {
    this.#at('secret_versions');
    let after: Tables['secret_versions'] | undefined;
    while (!this.#isStopped) {
      const query = ROOT_KEYS.versionsUnder(rootKeyId);
      const page: readonly Tables['secret_versions'][] = await this.#parts.store.list(query, {
        limit: PAGE,
        after,
      });
      const changes = page.flatMap(
        (row) => this.#attempt('secret_versions', row, () => this.#versionChange(row)) ?? [],
      );
      await this.#commit(changes, page.length);
      after = page.at(-1);
      if (page.length < PAGE) return;
    }
  }

  /** A row that does not open keeps its old key, and keeps that key from being destroyed. The pass continues with the others. */
  #attempt(table: TableName, row: Row, work: () => RowChange | undefined): RowChange | undefined {
    try {
      return work();
    } catch (error) {
      if (!(error instanceof BrokerError) || error.code !== 'ERR_CIPHERTEXT_INVALID') throw error;
      this.#left += 1;
      const place = shapeOf(table)
        .key.map((column) => String(row[column]))
        .join('/');
      this.#parts.log.error(
        { table, row: place, err: error },
        'a row cannot be rewrapped, so its root key cannot be destroyed; restore the row from a backup, or remove the secret',
      );
      return undefined;
    }
  }

  #rowChange(table: TableName, row: Row): RowChange | undefined {
    const { mac } = row;
    if (!(mac instanceof Uint8Array)) return undefined;
    const columns = this.#encryptedAgain(table, row);
    const { rows } = this.#parts;
    if (columns === undefined && rows.isCurrent(table, macColumns(row), mac)) return undefined;
    const next = shapeOf(table).hasMac === true ? null : rows.mac(table, macColumns(row));
    const key = keyOf(table, row);
    return {
      expect: { table, key, match: { mac } } as unknown as Expectation,
      write: { table, key, change: { ...columns, mac: next } } as unknown as Write,
    };
  }

  /** Columns that held a value under an older key, encrypted under the active one. */
  #encryptedAgain(table: TableName, row: Row): Row | undefined {
    const { keyring, installation } = this.#parts;
    const keys = {
      installation,
      keyring: { active: this.#active, find: (id: string) => keyring.find(id) },
    };
    const columns: Record<string, Uint8Array> = {};
    for (const column of encryptedColumns(table)) {
      const encrypted = row[column];
      if (!(encrypted instanceof Uint8Array) || rootKeyIdOf(encrypted) === this.#active.id)
        continue;
      const value = decryptAt(keys, { table, column, row }, encrypted);
      columns[column] = encryptAt(keys, { table, column, row }, value);
      value.fill(0);
    }
    return Object.keys(columns).length === 0 ? undefined : columns;
  }

  #versionChange(row: Tables['secret_versions']): RowChange | undefined {
    const { secret_id, version, root_key_id, wrapped_dek, ciphertext } = row;
    const key = { secret_id, version };
    // If another process destroyed the version meanwhile, its data key must not come back.
    const expect = { table: 'secret_versions', key, match: { wrapped_dek, root_key_id } } as const;
    const change = (columns: Partial<Tables['secret_versions']>): RowChange => ({
      expect,
      write: { table: 'secret_versions', key, change: columns },
    });
    if (wrapped_dek === null || ciphertext === null)
      return change({ root_key_id: this.#active.id });
    const path = this.#paths.get(secret_id);
    // The secret was created after the pass read the heads.
    if (path === undefined) throw new BrokerError('ERR_CIPHERTEXT_INVALID');
    const place = { installation: this.#parts.installation, secretId: secret_id, path, version };
    const stored = { rootKeyId: root_key_id, wrappedDek: wrapped_dek, ciphertext };
    if (!this.#options.compromised.has(root_key_id)) {
      const { rootKeyId, wrappedDek } = rewrapDek(this.#find, this.#active, place, stored);
      return change({ root_key_id: rootKeyId, wrapped_dek: wrappedDek });
    }
    const value = decryptValue(this.#find, place, stored);
    const sealed = encryptValue(this.#active, place, value);
    value.fill(0);
    const columns = {
      root_key_id: sealed.rootKeyId,
      wrapped_dek: sealed.wrappedDek,
      ciphertext: sealed.ciphertext,
    };
    return { ...change(columns), reencrypted: true };
  }

  async #commit(changes: readonly RowChange[], checked: number): Promise<void> {
    this.#isStopped ||= this.#options.signal.aborted;
    const held = this.#isStopped ? undefined : await this.#parts.claim.take();
    if (held === undefined) {
      this.#isStopped = true;
      return;
    }
    this.#report = { ...this.#report, checked: this.#report.checked + checked };
    if (changes.length > 0 && !(await this.#commitPage(changes, held)))
      for (const change of changes) await this.#commitPage([change], held);
    await loopTurn();
  }

  /** @returns false if a row was changed meanwhile: its new content is under the active key, or the next pass finds it. */
  async #commitPage(changes: readonly RowChange[], held: Expectation): Promise<boolean> {
    const { store, rows, clock } = this.#parts;
    const reencrypted = changes.filter((change) => change.reencrypted === true).length;
    const report = {
      ...this.#report,
      updatedAt: clock.now(),
      rewrapped: this.#report.rewrapped + changes.length,
      reencrypted: this.#report.reencrypted + reencrypted,
    };
    this.#changed += changes.length;
    const outcome = await store.commit({
      expect: [held, ...changes.map(({ expect }) => expect)],
      writes: [...changes.map(({ write }) => write), reportWrite(rows, report)],
    });
    if (outcome.status === 'committed') this.#report = report;
    return outcome.status === 'committed';
  }

  /** Remembers the parts of a row that later steps need. */
  async #note(table: TableName, row: Row): Promise<void> {
    const { since, compromised } = this.#options;
    if (table === 'credentials') this.#noteIssued(row as unknown as Tables['credentials']);
    if (table !== 'secrets') return;
    const { id, path, current_version, deleted_version } = row as unknown as Tables['secrets'];
    this.#paths.set(id, path);
    // A deleted secret counts too: a leaked copy has it, and it can be restored.
    const version = current_version ?? deleted_version;
    if (compromised.size === 0 || version === null) return;
    const key = { secret_id: id, version };
    const current = await this.#parts.store.get('secret_versions', key);
    if (current === undefined || current.created_at >= since) return;
    this.#exposed.values += 1;
    if (this.#exposed.paths.length < MOST_EXPOSED) this.#exposed.paths.push(path);
  }

  #noteIssued({ sealed, created_at, lease_id: lease, path }: Tables['credentials']): void {
    if (sealed === null || created_at >= this.#options.since) return;
    this.#exposed.credentials += 1;
    if (this.#exposed.issued.length < MOST_EXPOSED) this.#exposed.issued.push({ lease, path });
  }

  #exposedValues(): ExposedValues {
    return { before: this.#options.since, ...this.#exposed };
  }

  #at(table: string): void {
    this.#report = { ...this.#report, table, updatedAt: this.#parts.clock.now() };
  }

  readonly #find = (id: string): RootKey | undefined => this.#parts.keyring.find(id);
}

function keyOf(table: TableName, row: Row): Row {
  return Object.fromEntries(shapeOf(table).key.map((column) => [column, row[column] ?? null]));
}
