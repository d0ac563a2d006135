import type { Write } from '../ports/store.ts';
import { isDigested, SEALED } from './guarded-tables.ts';
import { rowsSql } from './query-sql.ts';
import { nameOf, type RowChange, type RowGuard, type StoredRow } from './row-guard.ts';
import { shapeOf } from './schema.ts';
import type { Dialect, Statement } from './sql.ts';
import { writeSql } from './write-sql.ts';

/** A write of guarded rows. Its statement is made when the rows that it touches have been read, in the same transaction. */
export interface GuardedWrite {
  readonly write: Write;
  /** The row is expected to be absent. */
  readonly fresh: boolean;
  /** Selects the rows as they are, and locks them; undefined where they do not matter. */
  readonly before: Statement | undefined;
}

export interface PlannedWrite extends Statement {
  /** The expectation of absence that this insert keeps: another process may insert between the check and the write. */
  readonly absence: number | undefined;
  /** For rows with a MAC or a digest: the statement is made anew when the rows have been read. */
  readonly guarded: GuardedWrite | undefined;
}

/** A plan's writes, ready to run, and what they do to digested rows. */
export interface ResolvedWrites {
  readonly writes: readonly PlannedWrite[];
  readonly changes: readonly RowChange[];
}

/** Selects the rows that a plan's guarded writes touch. */
export function selectsOf(writes: readonly PlannedWrite[]): readonly Statement[] {
  return writes.flatMap(({ guarded }) => guarded?.before ?? []);
}

export function isGuarded({ writes }: { readonly writes: readonly PlannedWrite[] }): boolean {
  return writes.some(({ guarded }) => guarded !== undefined);
}

/** Whether a MAC or a digest after this write depends on the rows as they are. */
export function readsRows(write: Write): boolean {
  return isDigested(write.table) || ('change' in write && SEALED.has(write.table));
}

/** The write with the MAC of its row, where one is needed and the rows as they are do not matter. */
export function sealedPut(guard: RowGuard, write: Write): Write {
  if (!('put' in write) || !SEALED.has(write.table)) return write;
  const put = guard.seal(write.table, write.put);
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
  if (!digested && !SEALED.has(table)) return undefined;
  if ('change' in write) return { write, fresh, before: rowsSql(dialect, table, write.key) };
  if (!digested) return 'put' in write ? { write, fresh, before: undefined } : undefined;
  if ('remove' in write) return { write, fresh, before: rowsSql(dialect, table, write.remove) };
  const row = write.put as StoredRow;
  const key = Object.fromEntries(shapeOf(table).key.map((column) => [column, row[column]]));
  return { write, fresh, before: fresh ? undefined : rowsSql(dialect, table, key) };
}

/**
 * The statements of a plan's writes. `found`: for each guarded write that has a `before`, the rows it selected, in order.
 * @throws ERR_CIPHERTEXT_INVALID for a row that was not sealed by us: the plan must not put its MAC right.
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

/** The rows of one plan as its earlier writes leave them. */
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

  /** @returns the write as it is to be run; undefined for a change of a row that is not there. */
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
      const put = this.#sealed(write, write.put);
      this.#note(write, old, put, changes);
      return { table: write.table, put } as Write;
    }
    if (old === undefined) return undefined;
    const after = this.#sealed(write, { ...old, ...(write.change as StoredRow) });
    this.#note(write, old, after, changes);
    const { table, key } = write;
    const change = SEALED.has(table) ? { ...write.change, mac: after['mac'] } : write.change;
    return { table, key, change } as Write;
  }

  #sealed({ table }: Write, row: StoredRow): StoredRow {
    return SEALED.has(table) ? this.#guard.seal(table, row) : row;
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
