import type { TableName } from '../../ports/store.ts';
import { SCHEMA, shapeOf } from '../../ports/tables.ts';

const STATEMENT =
  /CREATE (?<unique>UNIQUE )?INDEX "(?<name>\w+)" ON "(?<table>\w+)" \((?<columns>[^;]*)\);|DROP INDEX "(?<dropped>\w+)";/g;

/** The indexes that these migrations create, by name. The definitions are as PostgreSQL prints them, without quotation marks and the schema. */
export function expectedIndexes(migrations: readonly string[]): ReadonlyMap<string, string> {
  const indexes = new Map<string, string>();
  for (const [table] of Object.entries(SCHEMA)) {
    const name = `${table}_pkey`;
    const columns = shapeOf(table as TableName).key.join(', ');
    indexes.set(name, `CREATE UNIQUE INDEX ${name} ON ${table} USING btree (${columns})`);
  }
  for (const { groups = {} } of migrations.join('\n').matchAll(STATEMENT)) {
    const { unique = '', name = '', table = '', columns = '', dropped } = groups;
    const list = columns.replaceAll('"', '');
    if (dropped !== undefined) indexes.delete(dropped);
    else indexes.set(name, `CREATE ${unique}INDEX ${name} ON ${table} USING btree (${list})`);
  }
  return indexes;
}
