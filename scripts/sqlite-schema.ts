import { readdirSync, readFileSync } from 'node:fs';
import Database from 'better-sqlite3';
import { MIGRATIONS } from '../src/store/migrate.ts';
import { SCHEMA_OBJECTS } from '../src/store/sqlite/schema-differences.ts';

/** The objects that the migrations for SQLite create, as the text of migrations/sqlite-schema.json. */
export function sqliteSchema(migrations = MIGRATIONS): string {
  const folder = `${migrations}sqlite/`;
  const database = new Database(':memory:');
  for (const name of readdirSync(folder).sort()) {
    database.exec(readFileSync(`${folder}${name}`, 'utf8'));
  }
  const objects = database.prepare(SCHEMA_OBJECTS).all();
  database.close();
  return `${JSON.stringify(objects, undefined, 2)}\n`;
}
