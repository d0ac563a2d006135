import type { Write } from '../../ports/store.ts';
import { isDigested, TABLES_WITH_MAC } from '../guard/guarded-tables.ts';
import { rowsSql } from '../sql/query-sql.ts';
import { nameOf, type RowChange, type RowGuard, type StoredRow } from '../guard/row-guard.ts';
import { shapeOf } from '../../ports/tables.ts';
import type { Dialect, Statement } from '../sql/sql.ts';
import { writeSql } from '../sql/write-sql.ts';

type RowWrite = Exclude<Write, { readonly removeRange: unknown }>;

/** A write of guarded rows. The store builds its statement after it has read the affected rows in the same transaction. */
export interface GuardedWrite {
  readonly write: RowWrite;
  /** The row is expected to be absent. */
  readonly fresh: boolean;
  /** Selects and locks the current rows; undefined if the write does not depend on them. */
  readonly before: Statement | undefined;
}

export interface PlannedWrite extends Statement {
  /** The index of the expectation of absence that this insert enforces. Another process may insert between the check and the write. */
  readonly absence: number | undefined;
  /** Set for rows with a MAC or a digest: the store rebuilds the statement after it has read the rows. */
  readonly guarded: GuardedWrite | undefined;
}

/** A plan's writes, ready to run, with their changes to digested rows. */
export interface ResolvedWrites {
  readonly writes: readonly PlannedWrite[];
  readonly changes: readonly RowChange[];
}

/** Selects the rows that a plan's guarded writes affect. */
export function selectsOf(writes: readonly PlannedWrite[]): readonly Statement[] {
  return writes.flatMap(({ guarded }) => guarded?.before ?? []);
}

export function isGuarded({ writes }: { readonly writes: readonly PlannedWrite[] }): boolean {
  return writes.some(({ guarded }) => guarded !== undefined);
}

/** Reports whether the MAC or the digest after this write depends on the current rows. */
export function readsRows(write: Write): boolean {
  return isDigested(write.table) || ('change' in write && TABLES_WITH_MAC.has(write.table));
}

/** Adds the MAC to a write, if its table needs one and the MAC does not depend on the current rows. */
export function putWithMac(guard: RowGuard, write: Write): Write {
  if (!('put' in write) || !TABLES_WITH_MAC.has(write.table)) return write;
  const put = guard.withMac(write.table, write.put);
  return { table: write.table, put } as unknown as Write;
}

/** Undefined for a write that needs neither a MAC nor a digest. */
export function guardedWrite(
  dialect: Dialect,
  write: Write,
  fresh: boolean,
): GuardedWrite | undefined {
  const { table } = write;
  const digested = isDigested(table);
  if ('removeRange' in write || (!digested && !TABLES_WITH_MAC.has(table))) return undefined;
  if ('change' in write) return { write, fresh, before: rowsSql(dialect, table, write.key) };
  if (!digested) return 'put' in write ? { write, fresh, before: undefined } : undefined;
  if ('remove' in write) return { write, fresh, before: rowsSql(dialect, table, write.remove) };
  const row = write.put as StoredRow;
  const key = Object.fromEntries(shapeOf(table).key.map((column) => [column, row[column]]));
  return { write, fresh, before: fresh ? undefined : rowsSql(dialect, table, key) };
}

/**
 * Builds the statements of a plan's writes. `found` has the rows that each guarded write with a `before` selected, in order.
 * @throws ERR_CIPHERTEXT_INVALID for a row without a valid MAC: the plan must not repair the MAC of a forged row.
 */
export function resolveWrites(
  dialect: Dialect,
  guard: RowGuard,
  writes: readonly PlannedWrite[],
  found: readonly (readonly StoredRow[])[],
): ResolvedWrites {
  const rows = new PlanRows(guard);
  let next = 0;
  const resolved: PlannedWrite[] = [];
  const changes: RowChange[] = [];
  for (const planned of writes) {
    const { guarded, absence } = planned;
    if (guarded === undefined) {
      resolved.push(planned);
      continue;
    }
    const before = guarded.before === undefined ? [] : rows.current(guarded, found[next++] ?? []);
    const write = rows.apply(guarded, before, changes);
    if (write !== undefined)
      resolved.push({ ...writeSql(dialect, write, guarded.fresh), absence, guarded: undefined });
  }
  return { writes: resolved, changes };
}

/** The rows of one plan, with its earlier writes applied. */
class PlanRows {
  readonly #guard: RowGuard;
  readonly #written = new Map<string, StoredRow | undefined>();

  constructor(guard: RowGuard) {
    this.#guard = guard;
  }

  current({ write: { table } }: GuardedWrite, found: readonly StoredRow[]): readonly StoredRow[] {
    return found.flatMap((row): readonly StoredRow[] => {
      const name = nameOf(table, row);
      if (!this.#written.has(name)) {
        this.#guard.check(table, row);
        return [row];
      }
      const written = this.#written.get(name);
      return written === undefined ? [] : [written];
    });
  }

  /** @returns the write to run; undefined for a change of a row that does not exist. */
  apply(
    { write }: GuardedWrite,
    before: readonly StoredRow[],
    changes: RowChange[],
  ): Write | undefined {
    if ('remove' in write) {
      for (const row of before) this.#note(write, row, undefined, changes);
      return write;
    }
    const [old] = before;
    if ('put' in write) {
      const put = this.#withMac(write, write.put);
      this.#note(write, old, put, changes);
      return { table: write.table, put } as Write;
    }
    if (old === undefined) return undefined;
    const after = this.#withMac(write, { ...old, ...(write.change as StoredRow) });
    this.#note(write, old, after, changes);
    const { table, key } = write;
    const change = TABLES_WITH_MAC.has(table)
      ? { ...write.change, mac: after['mac'] }
      : write.change;
    return { table, key, change } as Write;
  }

  #withMac({ table }: Write, row: StoredRow): StoredRow {
    return TABLES_WITH_MAC.has(table) ? this.#guard.withMac(table, row) : row;
  }

  #note(
    { table }: Write,
    before: StoredRow | undefined,
    after: StoredRow | undefined,
    changes: RowChange[],
  ): void {
    this.#written.set(nameOf(table, before ?? after ?? {}), after);
    if (!isDigested(table)) return;
    this.#guard.requireKeys();
    changes.push({ table, before, after });
  }
}
