import { existsSync } from 'node:fs';
import { link, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { syncDirectory } from '../../audit/base/durable-file.ts';
import { logIdentity, type LogIdentity } from '../../audit/records/log-identity.ts';
import type { SigningKey } from '../../crypto/signatures/signing.ts';
import { identityIn } from '../../crypto/encryption/age.ts';
import { BrokerError } from '../../domain/errors.ts';
import { instant } from '../../domain/time/instant.ts';
import { SqliteConnection } from '../../store/sqlite/sqlite-connection.ts';
import { readNamedFile } from '../../audit/base/named-file.ts';
import {
  emptyDatabase,
  openStore,
  requireNoDatabase,
  restoreDatabase,
  type PostgresConfig,
  type StoreConfig,
} from '../../store/index.ts';
import type { StoreMode } from '../../store/store-deps.ts';
import { decryptFile, fileFacts, type FileFacts } from '../../features/copies/backup-file.ts';
import type { BackupConfig } from '../../features/copies/config.ts';
import { copyPlace } from '../../features/copies/copy-place.ts';
import {
  ARCHIVE,
  MANIFEST,
  openManifest,
  type BackupManifest,
} from '../../features/copies/manifest.ts';
import {
  NO_CHAIN,
  verifyCopy,
  verifyStore,
  type CopyDeps,
  type VerifiedCopy,
} from '../../features/copies/verify-copy.ts';

/** The configuration of the installation that a backup belongs to. */
export interface RestoredConfig {
  readonly store: StoreConfig;
  readonly backup?: BackupConfig | undefined;
  readonly mode: StoreMode;
  readonly audit: { readonly origin: string };
}

/** Bytes done and in all. */
export type ByteProgress = (done: number, total: number) => void;

export interface FoundBackup {
  readonly archive: string;
  readonly manifest: BackupManifest;
  readonly identity: LogIdentity;
}

/** Opens the log key of the configuration; one that the store keeps is in the manifest, wrapped. */
export type OpenLogKey = (manifest: string) => Promise<SigningKey>;

/**
 * Reads the manifest beside an archive and compares the archive with it.
 * @throws ERR_CONFIG_INVALID for files that cannot be read, ERR_CIPHERTEXT_INVALID for a changed manifest or archive
 */
export async function findBackup(
  config: Pick<RestoredConfig, 'audit'>,
  archive: string,
  openLogKey: OpenLogKey,
): Promise<FoundBackup> {
  if (!archive.endsWith(ARCHIVE))
    throw new BrokerError(
      'ERR_CONFIG_INVALID',
      `${archive} is not an archive: its name must end with ${ARCHIVE}`,
    );
  const path = `${archive.slice(0, -ARCHIVE.length)}${MANIFEST}`;
  const note = await readNamedFile('manifest', path);
  const identity = logIdentity(config.audit.origin, await openLogKey(note));
  const manifest = signed(note, identity, path);
  if (manifest.name !== basename(archive, ARCHIVE))
    throw invalid(`${path} is the manifest of ${manifest.name}`);
  assertSame(archive, await readFacts(archive), manifest.archive);
  return { archive, manifest, identity };
}

export interface DecryptDeps extends Omit<CopyDeps, 'identity' | 'mode'> {
  readonly config: RestoredConfig;
  readonly identityFile: string;
  readonly progress: ByteProgress;
}

/**
 * Decrypts the archive to a new file and verifies it as a start of the broker would.
 * @throws ERR_CONFIG_INVALID for an identity file that is not one, ERR_CIPHERTEXT_INVALID, ERR_SEALED
 */
export async function decryptBackup(
  found: FoundBackup,
  to: string,
  { config, identityFile, progress, ...deps }: DecryptDeps,
): Promise<void> {
  const { archive, manifest, identity } = found;
  const secret = identityIn(await readNamedFile('--identity', identityFile));
  if (secret === undefined)
    throw new BrokerError(
      'ERR_CONFIG_INVALID',
      `${identityFile} does not contain one AGE-SECRET-KEY-1…`,
    );
  const { bytes } = manifest.archive;
  const { plain } = await decryptFile(archive, to, secret, (done) => progress(done, bytes)).catch(
    (cause: unknown) => {
      const { code } = cause as NodeJS.ErrnoException;
      if (code !== undefined) throw cannotWrite(to, cause);
      const { recipients } = manifest;
      throw new BrokerError(
        'ERR_CIPHERTEXT_INVALID',
        `the identity in ${identityFile} does not open ${archive}; its recipients: ${recipients.join(', ')}`,
        { cause },
      );
    },
  );
  assertSame(archive, plain, manifest.store);
  assertManifest(await verifyCopy(to, { ...deps, identity, mode: config.mode }), found);
}

/** Result of a restore. */
export interface Restored {
  readonly manifest: BackupManifest;
  /** Path to which the restore moved the store that was in its place; undefined if there was none. */
  readonly previous: string | undefined;
}

type RestoreDeps = DecryptDeps & { readonly replace: boolean };

/**
 * Restores the store of a stopped broker. The restored store is complete and verified before it takes the place of a SQLite store, or is written to an empty database.
 * @throws ERR_CONFLICT if there is a store and `replace` is not set, ERR_CONFIG_INVALID if a broker uses it
 */
export async function restoreBackup(found: FoundBackup, deps: RestoreDeps): Promise<Restored> {
  const { store } = deps.config;
  const { manifest } = found;
  if (store.type === 'sqlite')
    return { manifest, previous: await restoreFile(found, store.path, deps) };
  await restoreRows(found, store, deps);
  return { manifest, previous: undefined };
}

/** Keeps the previous store beside the restored one. @returns its path */
async function restoreFile(
  found: FoundBackup,
  path: string,
  deps: RestoreDeps,
): Promise<string | undefined> {
  const { config, clock, replace } = deps;
  const isThere = existsSync(path);
  if (isThere && !replace)
    throw new BrokerError(
      'ERR_CONFLICT',
      `there is a store at ${path}: stop the broker, then add --replace, which keeps the present store beside the restored one`,
    );
  if (isThere) await assertUnused(path);
  const place = copyPlace(config, 'restore');
  const draft = await place.prepare();
  if (isThere) await dropSecondNames(path);
  try {
    await decryptBackup(found, draft, deps);
    // Decryption takes long: a broker may have started meanwhile.
    const isStillThere = existsSync(path);
    if (isStillThere) await assertUnused(path);
    const previous = isStillThere
      ? `${path}.before-${instant(clock.now()).replaceAll(/[-:.]/g, '')}`
      : undefined;
    if (previous !== undefined) await keepStore(path, previous);
    await rename(draft, path);
    await syncDirectory(dirname(path));
    return previous;
  } finally {
    await place.clear();
  }
}

async function restoreRows(
  found: FoundBackup,
  store: PostgresConfig,
  deps: RestoreDeps,
): Promise<void> {
  if (deps.replace)
    throw new BrokerError(
      'ERR_CONFIG_INVALID',
      '--replace is for SQLite; for PostgreSQL create an empty database, and let store.connectionStringFile name it',
    );
  // Decryption takes long: a wrong database is refused before.
  await requireNoDatabase(store);
  const place = copyPlace(deps.config, 'restore');
  try {
    const path = await place.prepare();
    await decryptBackup(found, path, deps);
    await fillDatabase(found, { path, store }, deps);
  } finally {
    await place.clear();
  }
}

/** A decrypted backup at `path`, and the empty database to fill. */
interface Filled {
  readonly path: string;
  readonly store: PostgresConfig;
}

type FillDeps = Pick<DecryptDeps, 'config' | 'clock' | 'createGuard' | 'keys'>;

/**
 * Fills an empty database from a decrypted backup, and verifies it again there. A database that does not verify is emptied.
 * @throws ERR_CONFLICT if it contains an installation
 */
export async function fillDatabase(
  found: FoundBackup,
  { path, store }: Filled,
  deps: FillDeps,
): Promise<void> {
  await restoreDatabase(store, path, deps.config.mode);
  try {
    await verifyDatabase(found, store, deps);
  } catch (error) {
    // Only the rows of this restore are there: it refused any other content.
    await emptyDatabase(store).catch((cause: unknown) => {
      throw new BrokerError(
        'ERR_CONFLICT',
        `the restored database does not verify (${BrokerError.from(error).message}), and could not be emptied again: drop it`,
        { cause },
      );
    });
    throw error;
  }
}

async function verifyDatabase(
  found: FoundBackup,
  store: PostgresConfig,
  { config, clock, createGuard, keys }: FillDeps,
): Promise<void> {
  const guard = createGuard();
  const restored = await openStore(store, { chain: NO_CHAIN, clock, mode: config.mode, guard });
  try {
    assertManifest(await verifyStore(restored, guard, { identity: found.identity, keys }), found);
  } finally {
    await restored.close();
  }
}

function assertManifest({ checkpoint }: VerifiedCopy, { manifest }: FoundBackup): void {
  if (checkpoint !== manifest.checkpoint)
    throw invalid('the log in the archive is not that of the manifest');
}

/** @throws ERR_CONFIG_INVALID while a broker has the store open. A damaged store may be replaced. */
export async function assertUnused(path: string): Promise<void> {
  const { default: Driver } = await import('better-sqlite3');
  try {
    SqliteConnection.open(Driver, path).close();
  } catch (error) {
    if (error instanceof BrokerError && error.code === 'ERR_STORE_UNAVAILABLE') return;
    throw error;
  }
}

/**
 * Gives the present store a second name. The rename of the new store then replaces the first name at once, so that a kill at any point leaves a whole store
 * in place. The write-ahead log is only there if the store could not be opened. It must go first, because SQLite would apply it to the new store.
 */
async function keepStore(path: string, to: string): Promise<void> {
  if (existsSync(`${path}-wal`)) await rename(`${path}-wal`, `${to}-wal`);
  await link(path, to);
}

/** A restore that was killed before its last step leaves the present store with two names. */
async function dropSecondNames(path: string): Promise<void> {
  const { ino } = await stat(path);
  const directory = dirname(path);
  for (const file of await readdir(directory)) {
    const name = join(directory, file);
    if (name.startsWith(`${path}.before-`) && (await stat(name)).ino === ino) await rm(name);
  }
}

function signed(note: string, { configured }: LogIdentity, path: string): BackupManifest {
  try {
    return openManifest(note, configured.verifier);
  } catch (cause) {
    throw new BrokerError(
      'ERR_CIPHERTEXT_INVALID',
      `the log key of this configuration did not sign ${path}, or the file was changed`,
      { cause },
    );
  }
}

function assertSame(archive: string, found: FileFacts, expected: FileFacts): void {
  if (found.bytes === expected.bytes && found.sha256 === expected.sha256) return;
  throw invalid(
    `${archive} is not the archive of its manifest: ${found.bytes} bytes, SHA-256 ${found.sha256}; expected ${expected.bytes} bytes, ${expected.sha256}`,
  );
}

function invalid(text: string): BrokerError {
  return new BrokerError('ERR_CIPHERTEXT_INVALID', text);
}

function readFacts(archive: string): Promise<FileFacts> {
  return fileFacts(archive).catch((cause: unknown) => {
    throw new BrokerError('ERR_CONFIG_INVALID', `the archive ${archive} cannot be read`, { cause });
  });
}

function cannotWrite(path: string, cause: unknown): BrokerError {
  const { code = 'unknown' } = cause as NodeJS.ErrnoException;
  const why = code === 'ENOSPC' || code === 'EDQUOT' ? `the disk is full (${code})` : code;
  return new BrokerError(
    'ERR_STORE_UNAVAILABLE',
    `the archive cannot be decrypted to ${path}: ${why}. Nothing was replaced`,
    { cause },
  );
}
