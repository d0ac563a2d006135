import { existsSync } from 'node:fs';
import { createDurably } from '../../audit/base/durable-file.ts';
import { systemClock } from '../../process/clock.ts';
import { generateAgeKeyPair } from '../../crypto/encryption/age.ts';
import { BrokerError } from '../../domain/errors.ts';
import { createLog } from '../../process/log.ts';
import { openStore } from '../../store/index.ts';
import { copyPlace } from '../../features/copies/copy-place.ts';
import { lostText, newerExport, newerStore, UNLISTED } from '../restore/lost-changes.ts';
import type { BackupManifest } from '../../features/copies/manifest.ts';
import {
  assertUnused,
  decryptBackup,
  findBackup,
  restoreBackup,
  type ByteProgress,
  type DecryptDeps,
  type FoundBackup,
} from '../restore/restore.ts';
import { NO_CHAIN } from '../../features/copies/verify-copy.ts';
import { archiveIn, type ArchiveArguments } from '../log/archive-storage.ts';
import { createGuard } from '../installation/guarded-state.ts';
import { openWrappers } from '../keys/keys.ts';
import { logKeyOpener } from '../keys/log-key.ts';
import { loadKeys } from '../../broker/keys/installation-keys.ts';
import { loadConfig } from '../config/load.ts';
import type { Config } from '../config/schema.ts';
import { refuseOpenProcess } from '../config/process-options.ts';

/** Writes a new secret key of age to a new file of mode 0600. @returns the text for the operator. @throws ERR_CONFIG_INVALID */
export async function runBackupKeygen(path: string): Promise<string> {
  const { identity, recipient } = await generateAgeKeyPair();
  const text = `# public key: ${recipient}\n${identity}\n`;
  await createDurably(path, text).catch((cause: unknown) => {
    throw new BrokerError(
      'ERR_CONFIG_INVALID',
      `${path} cannot be created; an existing key is never replaced`,
      { cause },
    );
  });
  return [
    `wrote the secret key to ${path}: keep it away from the broker and from the backups`,
    `recipient for the broker's configuration: ${recipient}`,
  ].join('\n');
}

interface VerifyOptions {
  readonly config: string;
  readonly identity?: string;
}

/** Compares an archive with its manifest; with an identity also opens it and checks everything in it. @throws ERR_CIPHERTEXT_INVALID */
export async function runBackupVerify(
  archive: string,
  options: VerifyOptions,
  progress: ByteProgress,
): Promise<string> {
  const config = await loadConfig(options.config);
  refuseOpenProcess(config);
  const found = await findBackup(config, archive, logKeyOpener(config));
  if (options.identity === undefined)
    return `${textOf(found.manifest)}\nverified: manifest and archive. Pass --identity to verify its content.`;
  const place = copyPlace(config, 'verify');
  try {
    await decryptBackup(found, await place.prepare(), {
      ...opening(config),
      identityFile: options.identity,
      progress,
    });
  } finally {
    await place.clear();
  }
  return `${textOf(found.manifest)}\nverified: manifest, archive, database, end of the log, and the digests of all rows`;
}

/** Opens copies of the store as the broker of this configuration would. */
export function opening(
  config: Config,
): Pick<DecryptDeps, 'config' | 'clock' | 'createGuard' | 'keys'> {
  const clock = systemClock;
  const log = createLog({ level: 'warn', clock });
  return {
    config,
    clock,
    createGuard: () => createGuard({ clock, log }),
    keys: async (copy) => loadKeys(copy, await openWrappers(config, clock)),
  };
}

interface RestoreOptions extends ArchiveArguments {
  readonly config: string;
  readonly identity: string;
  readonly replace?: boolean;
  readonly newerLog?: string;
}

/**
 * Restores an archive to the path of the store. @returns the text for the operator. @throws ERR_CONFLICT, ERR_CIPHERTEXT_INVALID,
 * ERR_CONFIG_INVALID
 */
export async function runRestore(
  archive: string,
  options: RestoreOptions,
  progress: ByteProgress,
): Promise<string> {
  const config = await loadConfig(options.config);
  refuseOpenProcess(config);
  const found = await findBackup(config, archive, logKeyOpener(config));
  // A log that does not match is found before anything is replaced.
  const lost = await changesSince(found, options, config);
  const { manifest, previous } = await restoreBackup(found, {
    ...opening(config),
    identityFile: options.identity,
    replace: options.replace === true,
    progress,
  });
  return [
    textOf(manifest),
    'restored and verified',
    ...(previous === undefined ? [] : [`the previous store is now ${previous}`]),
    'The next start is held (store_behind), because the checkpoint outside it is newer.',
    ...lost,
    `Then unlock the store: quaymaster release --config ${options.config} --comment "restored the backup of …"${applying(options.newerLog ?? previous)}`,
  ].join('\n');
}

/** The changes after the backup, by the given export, or by the store that the restore replaces. */
async function changesSince(
  { identity, manifest: { checkpoint } }: FoundBackup,
  options: RestoreOptions,
  { store, mode }: Config,
): Promise<readonly string[]> {
  const { newerLog, replace } = options;
  const archive = await archiveIn(options);
  if (newerLog !== undefined)
    return lostText(await newerExport(newerLog, identity, { checkpoint, archive }), newerLog);
  if (replace !== true || store.type !== 'sqlite' || !existsSync(store.path)) return [UNLISTED];
  await assertUnused(store.path);
  try {
    const present = await openStore(store, { chain: NO_CHAIN, clock: systemClock, mode });
    try {
      const log = await newerStore(present, identity, { checkpoint, archive, clock: systemClock });
      return await lostText(log, 'the log of the replaced store');
    } finally {
      await present.close();
    }
  } catch (error) {
    // The present store may be the reason for the restore.
    return [`The present store cannot list them: ${BrokerError.from(error).message}.`, UNLISTED];
  }
}

/** The option that applies the removals of a newer log. */
function applying(source: string | undefined): string {
  return source === undefined
    ? '; with --apply-removals LOG it also removes what a newer log removed: an export, or the files of a sink'
    : ` --apply-removals ${source}`;
}

function textOf({ name, createdAt, release, checkpoint, store, rootKeys }: BackupManifest): string {
  const [origin = '', size = ''] = checkpoint.split('\n');
  return [
    `backup ${name} of ${createdAt}, made by release ${release}`,
    `  log:       ${size} entries of ${origin}`,
    `  database:  ${store.bytes} bytes, SHA-256 ${store.sha256}`,
    `  root keys: ${rootKeys.join(', ')}`,
  ].join('\n');
}
