import type { SqliteConnection, SqliteDriver } from './sqlite-connection.ts';

interface SchemaObject {
  readonly type: string;
  readonly name: string;
  readonly table: string;
  readonly sql: string | null;
}

const OBJECTS = 'SELECT type, name, tbl_name AS "table", sql FROM sqlite_schema';
/** The migration runner creates this table, not a migration. */
const RUNNER_TABLE = 'quaymaster_schema';
/** Created by ANALYZE. These tables only guide the choice of indexes. */
const STATISTICS = new Set(['sqlite_stat1', 'sqlite_stat4']);

/**
 * Compares the schema of the file with an in-memory database that the same migrations created. An attacker that can write the file could add a
 * trigger that undoes revocations, or drop an index that keeps tokens unique.
 */
export function schemaDifferences(
  connection: SqliteConnection,
  Driver: SqliteDriver,
  migrations: readonly string[],
): readonly string[] {
  const expected = expectedObjects(Driver, migrations.join('\n'));
  const found = byName(connection.prepare(OBJECTS).all() as SchemaObject[]);
  return [...missing(expected, found), ...added(expected, found)];
}

type Objects = ReadonlyMap<string, SchemaObject>;

/** The latest result: running the migrations takes two thirds of the opening of a store, and a process may open several stores. */
let latest: { readonly script: string; readonly objects: Objects } | undefined;

function expectedObjects(Driver: SqliteDriver, script: string): Objects {
  if (latest?.script === script) return latest.objects;
  const fresh = new Driver(':memory:');
  try {
    fresh.exec(script);
    latest = { script, objects: byName(fresh.prepare(OBJECTS).all() as SchemaObject[]) };
    return latest.objects;
  } finally {
    fresh.close();
  }
}

function byName(objects: readonly SchemaObject[]): Objects {
  return new Map(objects.map((object) => [`${object.type} "${object.name}"`, object]));
}

function missing(expected: Objects, found: Objects): string[] {
  return [...expected].flatMap(([label, object]) => {
    const own = found.get(label);
    if (own === undefined) return [`${label} is missing`];
    const isSame = own.table === object.table && hasSameText(own, object);
    return isSame ? [] : [`${label} is not as the migrations make it`];
  });
}

function added(expected: Objects, found: Objects): string[] {
  return [...found]
    .filter(([label, object]) => !expected.has(label) && !isOfTools(object))
    .map(([label, { table }]) => `${label} on "${table}" is not of the migrations`);
}

function isOfTools({ type, name, table, sql }: SchemaObject): boolean {
  if (type === 'table') return name === RUNNER_TABLE || STATISTICS.has(name);
  return type === 'index' && table === RUNNER_TABLE && sql === null;
}

/** Compares the definitions without regard to blanks. */
function hasSameText(one: SchemaObject, other: SchemaObject): boolean {
  return one.sql === other.sql || textOf(one) === textOf(other);
}

function textOf({ sql }: SchemaObject): string | undefined {
  return sql?.replaceAll(/\s+/g, ' ');
}
