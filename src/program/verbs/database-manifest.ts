import { createDurably } from '../../audit/base/durable-file.ts';
import { storedIdentity } from '../../audit/log/log-origin.ts';
import { logIdentity, type LogIdentity } from '../../audit/records/log-identity.ts';
import { readRoot } from '../../audit/log/stored-tree.ts';
import { systemClock } from '../../process/clock.ts';
import { openLogCheckpoint } from '../../crypto/log/checkpoint.ts';
import { constantTimeEqual } from '../../crypto/hashes/digest.ts';
import { BrokerError } from '../../domain/errors.ts';
import { instant } from '../../domain/time/instant.ts';
import { createLog } from '../../process/log.ts';
import { openStore, type OpenedStore } from '../../store/index.ts';
import { lostText, newerExport, UNLISTED } from '../restore/lost-changes.ts';
import {
  openDatabaseManifest,
  signDatabaseManifest,
  type DatabaseManifest,
} from '../../features/copies/manifest.ts';
import { NO_CHAIN, verifyStore, type VerifiedCopy } from '../../features/copies/verify-copy.ts';
import { archiveIn, type ArchiveArguments } from '../log/archive-storage.ts';
import { loadConfig } from '../config/load.ts';
import { refuseOpenProcess } from '../config/process-options.ts';
import type { Config } from '../config/schema.ts';
import { createGuard } from '../installation/guarded-state.ts';
import { loadKeys } from '../../broker/keys/installation-keys.ts';
import { openWrappers } from '../keys/keys.ts';
import { loadLogKey } from '../keys/log-key.ts';
import { readNamedFile } from '../../audit/base/named-file.ts';
import { VERSION } from '../../process/version.ts';

/**
 * Verifies the database of a PostgreSQL store and signs what it contains now. A dump or base backup that begins afterwards contains at least this.
 * @throws ERR_CONFIG_INVALID, ERR_CIPHERTEXT_INVALID
 */
export async function runBackupManifest(
  path: string,
  options: { readonly config: string },
): Promise<string> {
  const config = await loadConfig(options.config);
  const createdAt = instant(systemClock.now());
  const { manifest, identity } = await inDatabase(config, async ({ verify, ...database }) => ({
    manifest: { createdAt, release: VERSION, ...(await verify()) },
    identity: database.identity,
  }));
  await createDurably(path, signDatabaseManifest(manifest, identity)).catch((cause: unknown) => {
    throw new BrokerError('ERR_CONFIG_INVALID', `${path} cannot be created; name a new file`, {
      cause,
    });
  });
  return [
    ...textOf(manifest),
    `wrote ${path}. Start the dump or base backup now, and keep the manifest with it.`,
  ].join('\n');
}

interface CheckOptions extends ArchiveArguments {
  readonly config: string;
  readonly newerLog?: string;
}

/**
 * Verifies a restored database, and that it contains at least what its manifest says. Run it before the first broker starts.
 * @throws ERR_CONFLICT while a broker uses the database, ERR_CONFIG_INVALID, ERR_CIPHERTEXT_INVALID
 */
export async function runBackupCheck(path: string, options: CheckOptions): Promise<string> {
  const config = await loadConfig(options.config);
  const note = await readNamedFile('manifest', path);
  const archive = await archiveIn(options);
  return inDatabase(config, async ({ store, verify, identity }) => {
    const manifest = opened(note, identity, path);
    await refuseOtherBrokers(store);
    const copy = await verify();
    await compare(store, { copy, manifest, identity });
    const size = sizeOf(copy, identity);
    const more = size - sizeOf(manifest, identity);
    const lost =
      options.newerLog === undefined
        ? [UNLISTED]
        : await lostText(
            await newerExport(options.newerLog, identity, {
              checkpoint: copy.checkpoint,
              archive,
            }),
            options.newerLog,
          );
    return [
      ...textOf(manifest),
      `verified: the database has all of it and ${more} later entries; the log and the digests of all rows verify`,
      'The next start is held (store_behind) if the checkpoint outside is newer than this database.',
      ...lost,
      `Then unlock the store: quaymaster release --config ${options.config} --comment "restored the dump of …"`,
    ].join('\n');
  });
}

/** @throws ERR_CONFLICT: another broker would continue a history that the restored database does not have */
export async function refuseOtherBrokers(store: OpenedStore): Promise<void> {
  const others = (await store.otherBrokers?.()) ?? 0;
  if (others === 0) return;
  throw new BrokerError(
    'ERR_CONFLICT',
    `${others} other ${others === 1 ? 'process of the broker is' : 'processes of the broker are'} connected to the database: stop every replica, then run it again`,
  );
}

interface Database {
  readonly store: OpenedStore;
  readonly verify: () => Promise<VerifiedCopy>;
  readonly identity: LogIdentity;
}

async function inDatabase<T>(config: Config, work: (database: Database) => Promise<T>): Promise<T> {
  refuseOpenProcess(config);
  if (config.store.type !== 'postgres')
    throw new BrokerError(
      'ERR_CONFIG_INVALID',
      'this is for dumps and base backups of PostgreSQL; the broker makes the manifests of its own backups: quaymaster backup create',
    );
  const clock = systemClock;
  const guard = createGuard({ clock, log: createLog({ level: 'warn', clock }) });
  const store = await openStore(config.store, { chain: NO_CHAIN, clock, mode: config.mode, guard });
  const keys = async (): ReturnType<typeof loadKeys> =>
    loadKeys(store, await openWrappers(config, clock));
  try {
    const identity = logIdentity(config.audit.origin, await loadLogKey(config, keys));
    const verify = (): Promise<VerifiedCopy> => verifyStore(store, guard, { identity, keys });
    return await work({ store, verify, identity });
  } catch (error) {
    throw BrokerError.from(error);
  } finally {
    await store.close();
  }
}

interface Compared {
  readonly copy: VerifiedCopy;
  readonly manifest: DatabaseManifest;
  readonly identity: LogIdentity;
}

async function compare(store: OpenedStore, { copy, manifest, identity }: Compared): Promise<void> {
  if (copy.installation !== manifest.installation)
    throw wrong(`the database is of installation ${copy.installation}`);
  const expected = openLogCheckpoint(manifest.checkpoint, identity.configured.verifier);
  const { origin } = await storedIdentity(store, identity);
  const size = sizeOf(copy, identity);
  if (size < expected.size)
    throw wrong(`the database has ${size} entries, the manifest has ${expected.size}`);
  if (!constantTimeEqual(await readRoot(store, expected.size), expected.root))
    throw wrong(`the first ${expected.size} entries of ${origin} are not those of the manifest`);
  for (const digest of manifest.digests) {
    const now = copy.digests.find(({ kind }) => kind === digest.kind);
    if (now === undefined || now.generation < digest.generation)
      throw wrong(`rows of ${digest.kind} are older than the manifest`);
    if (now.generation === digest.generation && now.digest !== digest.digest)
      throw wrong(`rows of ${digest.kind} are not those of the manifest`);
  }
}

function opened(note: string, { configured }: LogIdentity, path: string): DatabaseManifest {
  try {
    return openDatabaseManifest(note, configured.verifier);
  } catch (cause) {
    throw new BrokerError(
      'ERR_CIPHERTEXT_INVALID',
      `${path} is not a manifest that the log key of this configuration signed, or it was changed`,
      { cause },
    );
  }
}

function sizeOf({ checkpoint }: Pick<VerifiedCopy, 'checkpoint'>, identity: LogIdentity): number {
  return openLogCheckpoint(checkpoint, identity.configured.verifier).size;
}

function textOf({ createdAt, release, checkpoint, rootKeys }: DatabaseManifest): readonly string[] {
  const [origin = '', size = ''] = checkpoint.split('\n');
  return [
    `database manifest of ${createdAt}, made by release ${release}`,
    `  log:       ${size} entries of ${origin}`,
    `  root keys: ${rootKeys.join(', ')}`,
  ];
}

function wrong(what: string): BrokerError {
  return new BrokerError(
    'ERR_CIPHERTEXT_INVALID',
    `the database does not contain what the manifest says: ${what}`,
  );
}
