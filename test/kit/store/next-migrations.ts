import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { sqliteSchema } from '../../../scripts/sqlite-schema.ts';
import { MIGRATIONS } from '../../../src/store/migrate.ts';

const INDEX = 'CREATE INDEX "sessions_account" ON "sessions" ("service_account", "id");\n';
/** A migration that fails after its first statement. */
export const FAILING = `${INDEX}INSERT INTO "no_such_table" VALUES (1);\n`;

/** Writes the migrations of this build and a made-up second one, as the next release would have. @returns the folder, with a trailing slash */
export function writeNextMigrations(directory: string, sql = INDEX): string {
  const folder = `${join(directory, 'migrations')}/`;
  mkdirSync(folder);
  cpSync(MIGRATIONS, folder, { recursive: true });
  for (const dialect of ['sqlite', 'postgres'])
    writeFileSync(`${folder}${dialect}/002.do.next.sql`, sql);
  if (sql !== FAILING) writeFileSync(`${folder}sqlite-schema.json`, sqliteSchema(folder));
  return folder;
}
