import { readFileSync } from 'node:fs';
import type { SqliteConnection } from './sqlite-connection.ts';

interface SchemaObject {
  readonly type: string;
  readonly name: string;
  readonly table: string;
  readonly sql: string | null;
}

/** Lists all objects of a database. */
export const SCHEMA_OBJECTS = 'SELECT type, name, tbl_name AS "table", sql FROM sqlite_schema';
/** The migration runner creates this table, not a migration. */
const RUNNER_TABLE = 'quaymaster_schema';
/** Created by ANALYZE. These tables only guide the choice of indexes. */
const STATISTICS = new Set(['sqlite_stat1', 'sqlite_stat4']);

/**
 * Compares the schema of the file with the schema that the migrations create. An attacker that can write the file could add a trigger that undoes
 * revocations, or drop an index that keeps tokens unique.
 */
export function schemaDifferences(
  connection: SqliteConnection,
  migrations: string,
): readonly string[] {
  const expected = expectedObjects(migrations);
  const found = byName(connection.prepare(SCHEMA_OBJECTS).all() as SchemaObject[]);
  return [...missing(expected, found), ...added(expected, found)];
}

type Objects = ReadonlyMap<string, SchemaObject>;

/** Reads the list that `npm run generate` wrote: running the migrations in memory took 11 ms of each start. */
function expectedObjects(migrations: string): Objects {
  const text = readFileSync(`${migrations}sqlite-schema.json`, 'utf8');
  return byName(JSON.parse(text) as SchemaObject[]);
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
