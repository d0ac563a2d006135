import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exportLog } from '../../audit/proof/export.ts';
import { storeSource } from '../../audit/proof/export-source.ts';
import { storedIdentity } from '../../audit/log/log-origin.ts';
import { verifyExport } from '../../audit/proof/verify.ts';
import { ARCHIVE, isManifestFile, MANIFEST } from '../../features/copies/manifest.ts';
import {
  decryptBackup,
  fillDatabase,
  findBackup,
  type ByteProgress,
  type FoundBackup,
} from '../restore/restore.ts';
import { NO_CHAIN } from '../../features/copies/verify-copy.ts';
import { loadKeys } from '../../broker/keys/installation-keys.ts';
import { BrokerError } from '../../domain/errors.ts';
import { systemClock } from '../../process/clock.ts';
import { emptyDatabase, openStore, type OpenedStore } from '../../store/index.ts';
import { loadConfig } from '../config/load.ts';
import { refuseOpenProcess } from '../config/process-options.ts';
import type { Config } from '../config/schema.ts';
import { openWrappers } from '../keys/keys.ts';
import { logKeyOpener } from '../keys/log-key.ts';
import { openArchive } from '../log/archive-storage.ts';
import { opening } from './backups.ts';
import { runTestNotifications } from './test-notifications.ts';

/** One check of a drill, reported as a test is. */
export interface DrillCheck {
  readonly name: string;
  readonly state: 'ok' | 'failed' | 'skipped';
  readonly text: string;
}

export interface DrillOptions {
  readonly config: string;
  readonly identity: string;
  /** Directory for the restored store; absent: a new one of the system's temporary files. */
  readonly directory?: string | undefined;
  /** File with the connection string of an empty database; absent: the drill fills none. */
  readonly scratchDatabase?: string | undefined;
}

const DAY_MS = 86_400_000;
/** Limit of the alert QuaymasterBackupOld. */
const OLD_BACKUP_MS = 2 * DAY_MS;

/**
 * Restores the newest backup beside the running broker and tests what a real loss would need: the archive, its key, the whole log, each key-encryption key, and
 * the receivers of notifications. It changes nothing, and removes the restored store. @throws ERR_CONFIG_INVALID for an unusable configuration
 */
export async function runDrillChecks(
  options: DrillOptions,
  progress: ByteProgress,
): Promise<readonly DrillCheck[]> {
  const config = await loadConfig(options.config);
  refuseOpenProcess(config);
  const place = await mkdtemp(join(options.directory ?? tmpdir(), 'quaymaster-drill-'));
  try {
    return [
      ...(await backupChecks(config, { ...options, place }, progress)),
      await alertCheck(config, options.config),
    ];
  } finally {
    await rm(place, { recursive: true, force: true });
  }
}

type Placed = DrillOptions & { readonly place: string };

/** Each check needs the one before it. */
async function backupChecks(
  config: Config,
  { identity, place, scratchDatabase }: Placed,
  progress: ByteProgress,
): Promise<readonly DrillCheck[]> {
  const path = join(place, 'quaymaster.db');
  let found: FoundBackup | undefined;
  const backup = await check('backup', async () => {
    found = await findNewest(config);
    const { name, createdAt, archive } = found.manifest;
    return `${name} of ${createdAt}, ${archive.bytes} bytes: signature and digest are right`;
  });
  if (found === undefined) return [backup];
  const { manifest } = found;
  const age = await check('age', () => Promise.resolve(ageText(manifest.createdAt)));
  const from = found;
  const restore = await check('restore', async () => {
    await decryptBackup(from, path, { ...opening(config), identityFile: identity, progress });
    return `${manifest.store.bytes} bytes: pages, schema, end of the log, and the digests of all rows are right`;
  });
  if (restore.state === 'failed') return [backup, age, restore];
  const database = await databaseChecks(config, { found, path, scratchDatabase });
  const { mode } = config;
  const copy = await openStore(
    { type: 'sqlite', path },
    { chain: NO_CHAIN, clock: systemClock, mode },
  );
  try {
    const log = await check('log', () => verifyLog(copy, from, { config, place }));
    return [backup, age, restore, ...database, log, ...(await kekChecks(config, copy))];
  } finally {
    await copy.close();
  }
}

interface Scratch extends Pick<DrillOptions, 'scratchDatabase'> {
  readonly found: FoundBackup;
  /** The restored store. */
  readonly path: string;
}

/** Restores to an empty database of PostgreSQL, and empties it again. A database that contains an installation is refused and stays as it is. */
async function databaseChecks(
  config: Config,
  { found, path, scratchDatabase }: Scratch,
): Promise<readonly DrillCheck[]> {
  if (scratchDatabase === undefined) return [];
  const store = { type: 'postgres', connectionStringFile: scratchDatabase, poolSize: 1 } as const;
  const database = await check('database', async () => {
    await fillDatabase(found, { path, store }, opening(config));
    await emptyDatabase(store);
    return 'the database took all rows, and verified; it is empty again';
  });
  return [database];
}

async function check(name: string, run: () => Promise<string>): Promise<DrillCheck> {
  try {
    return { name, state: 'ok', text: await run() };
  } catch (error) {
    const { code, message } = BrokerError.from(error);
    return { name, state: 'failed', text: `${code}: ${message}` };
  }
}

/** @throws ERR_CONFIG_INVALID without a backup that the configuration names */
async function findNewest(config: Config): Promise<FoundBackup> {
  const { backup } = config;
  if (backup === undefined)
    throw new BrokerError(
      'ERR_CONFIG_INVALID',
      'the configuration has no section "backup": docs/upgrade-and-backup.md',
    );
  const files = await readdir(backup.directory).catch((cause: unknown) => {
    throw new BrokerError('ERR_CONFIG_INVALID', `${backup.directory} cannot be read`, { cause });
  });
  const newest = files.filter(isManifestFile).toSorted().at(-1);
  if (newest === undefined)
    throw new BrokerError('ERR_CONFIG_INVALID', `${backup.directory} has no backup`);
  const archive = `${newest.slice(0, -MANIFEST.length)}${ARCHIVE}`;
  return findBackup(config, join(backup.directory, archive), logKeyOpener(config));
}

/** @throws ERR_CONFLICT if it is too old */
function ageText(createdAt: string): string {
  const age = systemClock.now() - Date.parse(createdAt);
  const text = `made ${(age / DAY_MS).toFixed(1)} days ago`;
  if (age <= OLD_BACKUP_MS) return text;
  throw new BrokerError('ERR_CONFLICT', `${text}; a newer one is due after two days at most`);
}

interface Verified {
  readonly config: Config;
  readonly place: string;
}

/** Verifies every entry of the restored log, against the checkpoint that the manifest signs. */
async function verifyLog(
  copy: OpenedStore,
  { identity, manifest }: FoundBackup,
  { config, place }: Verified,
): Promise<string> {
  const directory = join(place, 'log');
  const log = await storedIdentity(copy, identity);
  const { size } = await exportLog(storeSource(copy, log), directory);
  const archive = await openArchive(config.audit.archive, systemClock);
  const report = await verifyExport(directory, {
    externalCheckpoint: manifest.checkpoint,
    archive,
  });
  if (report.holds && report.assurance === 'anchored') return `${size} entries verify`;
  throw new BrokerError('ERR_CIPHERTEXT_INVALID', 'entries of the restored log do not verify');
}

/** Opens the root keys of the copy with each key-encryption key alone: after a loss, one may be all there is. */
async function kekChecks(config: Config, copy: OpenedStore): Promise<readonly DrillCheck[]> {
  const checks: DrillCheck[] = [];
  for (const name of ['kek', 'secondKek'] as const) {
    const kek = config[name];
    if (kek === undefined) continue;
    checks.push(
      await check(name, async () => {
        const wrappers = await openWrappers({ ...config, kek, secondKek: undefined }, systemClock);
        await loadKeys(copy, wrappers);
        return `${kek.type} alone opens the root keys of the backup`;
      }),
    );
  }
  return checks;
}

async function alertCheck({ notifications }: Config, config: string): Promise<DrillCheck> {
  const name = 'notifications';
  if (Object.keys(notifications).length === 0)
    return { name, state: 'skipped', text: 'the configuration has no receivers' };
  const sent = await check(name, () => runTestNotifications({ config }, systemClock));
  return { ...sent, text: sent.text.replaceAll('\n', '; ') };
}
