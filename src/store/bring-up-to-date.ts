import { readdir, readFile } from 'node:fs/promises';
import { sha256Hex } from '../crypto/digest.ts';
import { BrokerError } from '../domain/errors.ts';
import type { MigrationTarget } from './migrate.ts';
import { migrate, migrationsOf } from './migrate.ts';
import type { StoreMode } from './store-deps.ts';

/** Rows of `meta`: what the store was made for, and which migrations it has run. */
const MODE = 'mode';
const MIGRATIONS = 'migrations';

/**
 * Brings the tables up to date and stamps a new store, inside the caller's transaction: all of it or nothing. The migration
 * runner, 6 MB of memory, is loaded only when the migrations here are not those that the store has run.
 * @throws ERR_CONFIG_INVALID when the store was made for the other mode, and as `migrate`.
 */
export async function bringUpToDate(target: MigrationTarget, mode: StoreMode): Promise<void> {
  const known = await fingerprint(migrationsOf(target));
  if ((await migrationsRun(target, mode)) === known) return;
  if (target.lock !== undefined) {
    await target.lock();
    // Another process may have run them while this one waited.
    if ((await migrationsRun(target, mode)) === known) return;
  }
  await migrate(target);
  // Neither value can hold a quote: a mode, and hexadecimal digits.
  const rows = `('${MODE}', '${mode}'), ('${MIGRATIONS}', '${known}')`;
  await target.script(
    `INSERT INTO "meta" ("key", "value") VALUES ${rows} ON CONFLICT ("key") DO UPDATE SET "value" = excluded."value"`,
  );
}

/** @throws ERR_CONFIG_INVALID when the store was made for the other mode. @returns the stamp of the migrations that the store has run. */
async function migrationsRun(
  target: MigrationTarget,
  mode: StoreMode,
): Promise<string | undefined> {
  const meta = await readMeta(target);
  const madeFor = meta.get(MODE) ?? mode;
  if (madeFor !== mode) {
    throw new BrokerError(
      'ERR_CONFIG_INVALID',
      `the store was made in ${madeFor} mode and cannot be used in ${mode} mode`,
    );
  }
  return meta.get(MIGRATIONS);
}

async function readMeta(target: MigrationTarget): Promise<ReadonlyMap<string, string>> {
  const present = await target.query(target.findMeta);
  if (present.rows.length === 0) return new Map();
  const { rows } = await target.query('SELECT "key", "value" FROM "meta"');
  return new Map((rows as { key: string; value: string }[]).map(({ key, value }) => [key, value]));
}

async function fingerprint(folder: string): Promise<string> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.sql')).sort();
  const digests = names.map(async (name) => {
    const text = await readFile(`${folder}${name}`, 'utf8');
    return `${name} ${sha256Hex(text)}`;
  });
  return sha256Hex((await Promise.all(digests)).join('\n'));
}
