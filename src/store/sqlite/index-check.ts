import type { IndexCheck, IndexSlice } from '../opened-store.ts';
import { isUnreadable } from './sqlite-fault.ts';
import type { SqliteConnection } from './sqlite-connection.ts';

/** Rows in one slice. With nine indexes, as on leases, a slice takes less than a millisecond, during which no request is answered. */
const ROWS = 100;
const TABLES =
  "SELECT \"name\" FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name";
const INDEXES = 'SELECT "name" FROM pragma_index_list(?) ORDER BY "seq"';
/** Condition of the rows in an index, which is the end of its definition. No row if the index has all rows. */
const CONDITION =
  'SELECT substr("sql", instr("sql", \' WHERE \') + 7) AS "name" FROM sqlite_schema WHERE name = ? AND instr("sql", \' WHERE \') > 0';
const COLUMNS = 'SELECT "name" FROM pragma_index_info(?) ORDER BY "seqno"';

interface Checked {
  readonly table: string;
  readonly indexes: readonly string[];
  /** Returns the last row id and the number of rows, and for each index the number of rows that it lacks. */
  readonly sql: string;
}

type Found = Readonly<Record<string, number | null>> & { readonly last: number | null };

/**
 * Looks up every row of every table by each of its indexes, in slices. A flipped byte in an index leaves the row unreadable by that index without
 * an error: a lookup finds nothing, and a revocation by path misses a lease.
 */
export class SqliteIndexCheck implements IndexCheck {
  readonly #connection: () => SqliteConnection;
  #waiting: Checked[] = [];
  #after = 0;

  /** `connection` may change after a fault. */
  constructor(connection: () => SqliteConnection) {
    this.#connection = connection;
  }

  begin(): void {
    const connection = this.#connection();
    const tables = names(connection, TABLES);
    this.#waiting = tables.map((table) => checkOf(connection, table));
    this.#after = 0;
  }

  next(): IndexSlice | undefined {
    const [checked] = this.#waiting;
    if (checked === undefined) return undefined;
    const { table, indexes, sql } = checked;
    try {
      const found = this.#connection().prepare(sql).get(this.#after) as Found;
      const rows = found['rows'] ?? 0;
      if (rows < ROWS) this.#skip();
      else this.#after = found.last ?? 0;
      const damage = indexes.flatMap((index, n) => textOf(index, found[`lacks_${n}`] ?? 0));
      return { table, rows, damage };
    } catch (error) {
      if (!isUnreadable(error)) throw error;
      this.#skip();
      return { table, rows: 0, damage: ['a page cannot be read'] };
    }
  }

  #skip(): void {
    this.#waiting.shift();
    this.#after = 0;
  }
}

function textOf(index: string, lacking: number): string[] {
  return lacking === 0 ? [] : [`index "${index}" lacks ${lacking} of its rows`];
}

function checkOf(connection: SqliteConnection, table: string): Checked {
  const indexes = names(connection, INDEXES, table);
  const lacks = indexes.map((index, n) => {
    const same = names(connection, COLUMNS, index).map(
      (column) => `i."${column}" IS t."${column}"`,
    );
    // Its columns are those of `i` in the lookup, and those of `t` around it.
    const condition = names(connection, CONDITION, index).map((each) => `(${each})`);
    const where = [...same, 'i.rowid = t.rowid', ...condition].join(' AND ');
    const lookup = `EXISTS (SELECT 1 FROM "${table}" AS i INDEXED BY "${index}" WHERE ${where})`;
    return `, sum(${[...condition, `NOT ${lookup}`].join(' AND ')}) AS "lacks_${n}"`;
  });
  const slice = `SELECT rowid, * FROM "${table}" NOT INDEXED WHERE rowid > ? ORDER BY rowid LIMIT ${ROWS}`;
  const sql = `SELECT max(t.rowid) AS "last", count(*) AS "rows"${lacks.join('')} FROM (${slice}) AS t`;
  return { table, indexes, sql };
}

function names(connection: SqliteConnection, sql: string, ...of: readonly string[]): string[] {
  const rows = connection.prepare(sql).all(...of) as { readonly name: string }[];
  return rows.map(({ name }) => name);
}
