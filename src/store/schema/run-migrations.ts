import { readdirSync, readFileSync } from 'node:fs';
import { sha256Hex } from '../../crypto/hashes/digest.ts';
import { BrokerError } from '../../domain/errors.ts';
import type { MigrationTarget, SchemaChange } from '../migrate.ts';
import { migrate } from '../migrate.ts';
import type { StoreMode } from '../store-deps.ts';

const MODE = 'mode';
const MIGRATIONS = 'migrations';
/** Rows of `meta` that belong to one database: the mode of the store and the migrations that it has run. Every other row is content. */
export const STAMPS: readonly string[] = [MODE, MIGRATIONS];
const INSTALLATION = 'installation';

interface Stamp {
  /** The store contains no installation yet. */
  readonly isNew: boolean;
  /** The migrations that the store has run; undefined if none. */
  readonly migrations: string | undefined;
}

/** A store with the tables of this release. */
export interface MigratedStore {
  /** The store contained no installation before it was opened. */
  readonly isNew: boolean;
  /** The migration of a store that had fewer migrations; undefined if there was none. */
  readonly migrated?: SchemaChange;
  /** The texts of all migrations, in order. */
  readonly migrations: readonly string[];
}

interface MigrationFile {
  readonly name: string;
  readonly text: string;
}

/**
 * Runs missing migrations and stamps a new store, inside the caller's transaction: all of it or nothing. It loads the migration runner (6 MB of
 * memory) only if the store has not run all migrations of this release.
 * @throws ERR_CONFIG_INVALID if the store was created in the other mode, and as `migrate`.
 */
export async function runMigrations(
  target: MigrationTarget,
  mode: StoreMode,
): Promise<MigratedStore> {
  const files = migrationFiles(target.folder);
  const known = fingerprint(files);
  const before = await readStamp(target, mode);
  const found = { isNew: before.isNew, migrations: files.map(({ text }) => text) };
  if (before.migrations === known) return found;
  if (target.lock !== undefined) {
    await target.lock();
    // Another process may have run them while this one waited for the lock.
    if ((await readStamp(target, mode)).migrations === known) return found;
  }
  const migrated = await migrate(target);
  // Neither value can contain a quote: one is a mode, the other consists of hexadecimal digits.
  const rows = `('${MODE}', '${mode}'), ('${MIGRATIONS}', '${known}')`;
  await target.script(
    `INSERT INTO "meta" ("key", "value") VALUES ${rows} ON CONFLICT ("key") DO UPDATE SET "value" = excluded."value"`,
  );
  return before.isNew ? found : { ...found, migrated };
}

/** @throws ERR_CONFIG_INVALID if the store was created in the other mode. */
async function readStamp(target: MigrationTarget, mode: StoreMode): Promise<Stamp> {
  const meta = await readMeta(target);
  const madeFor = meta.get(MODE) ?? mode;
  if (madeFor !== mode) {
    throw new BrokerError(
      'ERR_CONFIG_INVALID',
      `the store was made in ${madeFor} mode and cannot be used in ${mode} mode`,
    );
  }
  return { isNew: !meta.has(INSTALLATION), migrations: meta.get(MIGRATIONS) };
}

async function readMeta(target: MigrationTarget): Promise<ReadonlyMap<string, string>> {
  const present = await target.query(target.findMeta);
  if (present.rows.length === 0) return new Map();
  const { rows } = await target.query('SELECT "key", "value" FROM "meta"');
  return new Map((rows as { key: string; value: string }[]).map(({ key, value }) => [key, value]));
}

/** Reads the files at once: in the thread pool, the small files take five times the processor time. */
function migrationFiles(folder: string): readonly MigrationFile[] {
  const names = readdirSync(folder).filter((name) => name.endsWith('.sql'));
  return names.sort().map((name) => ({ name, text: readFileSync(`${folder}${name}`, 'utf8') }));
}

function fingerprint(files: readonly MigrationFile[]): string {
  return sha256Hex(files.map(({ name, text }) => `${name} ${sha256Hex(text)}`).join('\n'));
}
