import { constants } from 'node:fs';
import { access, mkdir, open, readdir, readFile, rename, rm, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { syncDirectory } from '../audit/durable-file.ts';
import type { LogIdentity } from '../audit/identity/log-identity.ts';
import { SystemActor } from '../broker/recording/record.ts';
import { assertRecipient } from '../crypto/encryption/age.ts';
import { sha256Hex } from '../crypto/hashes/digest.ts';
import { BrokerError } from '../domain/errors.ts';
import { instant } from '../domain/time/instant.ts';
import type { Backup, BackupRun, Backups } from '../ports/backups.ts';
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import type { Store } from '../ports/store.ts';
import type { RowGuard } from '../store/guard/row-guard.ts';
import type { OpenedStore } from '../store/index.ts';
import { isNoRoom } from '../store/sqlite/sqlite-fault.ts';
import { removeStoreFiles } from '../store/sqlite/store-files.ts';
import type { StoreMode } from '../store/store-deps.ts';
import type { InstallationKeys } from '../broker/keys/installation-keys.ts';
import { encryptFile } from './archive.ts';
import type { BackupConfig } from './config.ts';
import {
  ARCHIVE,
  backupName,
  backupOf,
  isManifestFile,
  MANIFEST,
  openManifest,
  signManifest,
} from './manifest.ts';
import { verifyCopy } from './verify-copy.ts';

const HOUR_MS = 3_600_000;
/** Pause after a failure: the next attempt does not wait for a whole interval. */
const RETRY_MS = 600_000;
/** Pause between two looks for a directory that is missing, as one that is not mounted yet. */
const PLACE_MS = 60_000;
/** The encrypted archive is larger than the copy by less than this share. */
const ARCHIVE_SHARE = 1.01;
/** An unfinished file of a backup. */
const PART = '.part';

interface BackupDeps {
  readonly config: BackupConfig;
  /** The database file. The copy is beside it until it is encrypted. */
  readonly storePath: string;
  /** Makes the copy. */
  readonly opened: OpenedStore;
  /** Records the result. */
  readonly store: Store;
  readonly identity: LogIdentity;
  readonly keys: InstallationKeys;
  /** Creates the guard of the rows of a copy. */
  readonly createGuard: () => RowGuard;
  /** The version of this broker. */
  readonly release: string;
  readonly mode: StoreMode;
  readonly clock: Clock;
  readonly log: Log;
}

/** Makes backups of a SQLite store, on request and on schedule: copy, verify, encrypt, sign. One at a time. */
export class ScheduledBackups implements Backups {
  readonly #deps: BackupDeps;
  readonly #system: SystemActor;
  #run: BackupRun | undefined;
  #work: Promise<void> = Promise.resolve();
  #last: number | undefined;
  #isPlaceMissing = false;
  #cancel: () => void = () => undefined;
  #isStopped = false;

  private constructor(deps: BackupDeps) {
    this.#deps = deps;
    this.#system = new SystemActor({ clock: deps.clock, digest: sha256Hex }, 'backup');
  }

  /**
   * A directory that is missing does not stop the start: a place of backups that is not mounted must not cost callers their secrets.
   * @throws ERR_CONFIG_INVALID for a recipient with a wrong checksum
   */
  static async open(deps: BackupDeps): Promise<ScheduledBackups> {
    for (const recipient of deps.config.recipients) {
      await assertRecipient(recipient).catch((cause: unknown) => {
        throw new BrokerError(
          'ERR_CONFIG_INVALID',
          `backup.recipients: ${recipient} is not a public key of age`,
          { cause },
        );
      });
    }
    const backups = new ScheduledBackups(deps);
    await backups.#lookForPlace();
    backups.#schedule();
    return backups;
  }

  start(): BackupRun {
    if (this.#run?.state !== 'running') {
      const startedAt = this.#deps.clock.now();
      this.#run = { state: 'running', step: 'copy', done: 0, total: 0, startedAt };
      this.#work = this.#work.then(() => this.#make());
    }
    return this.#run;
  }

  run(): BackupRun | undefined {
    return this.#run;
  }

  /** Time at which the newest backup was made; undefined if there is none. */
  get last(): number | undefined {
    return this.#last;
  }

  /** The last attempt failed. */
  get hasFailed(): boolean {
    return this.#run?.state === 'failed';
  }

  /** The directory of the backups cannot be written, so none can be made. */
  get isPlaceMissing(): boolean {
    return this.#isPlaceMissing;
  }

  /** @throws ERR_CONFLICT if the directory is missing */
  async list(): Promise<readonly Backup[]> {
    const { config, identity, log } = this.#deps;
    const { verifier } = identity.configured;
    await this.#openPlace();
    const files = (await readdir(config.directory)).filter(isManifestFile).sort().reverse();
    const backups: Backup[] = [];
    for (const file of files) {
      try {
        const note = await readFile(join(config.directory, file), 'utf8');
        backups.push(backupOf(openManifest(note, verifier), verifier));
      } catch (error) {
        log.warn({ err: error, file }, 'a manifest in the backup directory is not valid; ignored');
      }
    }
    return backups;
  }

  /** Waits for the backup in progress. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancel();
    await this.#work;
  }

  /** Creates the directory if it can. @throws ERR_CONFLICT if the broker cannot write to it */
  async #openPlace(): Promise<void> {
    const { directory } = this.#deps.config;
    try {
      await mkdir(directory, { recursive: true, mode: 0o700 });
      await access(directory, constants.W_OK | constants.X_OK);
    } catch (cause) {
      this.#isPlaceMissing = true;
      throw new BrokerError('ERR_CONFLICT', placeMissing(directory), { cause });
    }
    this.#isPlaceMissing = false;
  }

  async #lookForPlace(): Promise<void> {
    const { log, config } = this.#deps;
    const { directory } = config;
    const wasMissing = this.#isPlaceMissing;
    try {
      await this.#removeUnfinished();
      this.#last = (await this.list())[0]?.createdAt;
      if (wasMissing) log.info({ directory }, 'the directory of the backups is there again');
    } catch (error) {
      this.#isPlaceMissing = true;
      if (!wasMissing) log.error({ err: error, directory }, placeMissing(directory));
    }
  }

  #schedule(): void {
    const { config, clock } = this.#deps;
    if (this.#isStopped) return;
    if (this.#isPlaceMissing) {
      this.#cancel = clock.after(PLACE_MS, () => {
        // It would remove the files of a backup in progress, which opens the directory itself.
        if (this.#run?.state !== 'running') this.#work = this.#lookForPlace();
        void this.#work.then(() => this.#schedule());
      });
      return;
    }
    if (config.intervalHours === undefined) return;
    const due = (this.#last ?? 0) + config.intervalHours * HOUR_MS - clock.now();
    const pause = Math.max(due, this.hasFailed ? RETRY_MS : 0);
    this.#cancel = clock.after(Math.min(pause, HOUR_MS), () => {
      if (pause <= HOUR_MS) this.start();
      void this.#work.then(() => this.#schedule());
    });
  }

  async #make(): Promise<void> {
    const { log, store, clock } = this.#deps;
    try {
      const backup = await this.#copyAndEncrypt();
      await store.commit({
        entries: [
          this.#system.entry({
            action: 'backup.create',
            outcome: 'ok',
            comment: backup.name,
            count: backup.entries,
          }),
        ],
      });
      this.#last = backup.createdAt;
      this.#update({ state: 'done', backup, finishedAt: clock.now() });
      await this.#removeOldest();
      log.info({ name: backup.name, bytes: backup.bytes }, 'a backup of the store is complete');
    } catch (error) {
      const { code, message } = asBackupFailure(error, this.#deps);
      this.#update({ state: 'failed', error: `${code}: ${message}`, finishedAt: clock.now() });
      log.error({ err: error }, 'the backup failed; the previous backups are unchanged');
      const entry = this.#system.entry({ action: 'backup.create', outcome: 'error', code });
      await store.commit({ entries: [entry] }).catch(() => undefined);
    }
  }

  async #copyAndEncrypt(): Promise<Backup> {
    const { config, storePath, identity, clock, keys, release } = this.#deps;
    const copy = `${storePath}.backup`;
    const createdAt = clock.now();
    const name = backupName(createdAt);
    const archivePath = join(config.directory, `${name}${ARCHIVE}`);
    await this.#removeUnfinished();
    await this.#requireSpace();
    try {
      await this.#deps.opened.copyTo?.(copy, (done, total) => this.#update({ done, total }));
      this.#update({ step: 'verify', done: 0, total: 0 });
      const verified = await verifyCopy(copy, { ...this.#deps, keys: () => Promise.resolve(keys) });
      this.#update({ step: 'encrypt' });
      const { plain, sealed } = await encryptFile(
        copy,
        `${archivePath}${PART}`,
        config.recipients,
        (done) => this.#update({ done }),
      );
      const manifest = {
        ...verified,
        name,
        createdAt: instant(createdAt),
        release,
        store: plain,
        archive: sealed,
        recipients: config.recipients,
      };
      await this.#publish(name, signManifest(manifest, identity));
      return backupOf(manifest, identity.configured.verifier);
    } finally {
      await removeStoreFiles(copy);
      await this.#removeUnfinished().catch(() => undefined);
    }
  }

  /** @throws ERR_CONFLICT if the copy or the archive would fill a volume. A full volume of the store would stop the broker. */
  async #requireSpace(): Promise<void> {
    const { config, storePath } = this.#deps;
    const needed = (await readSize(storePath)) + (await readSize(`${storePath}-wal`));
    for (const directory of [join(storePath, '..'), config.directory]) {
      const { bsize, bavail } = await statfs(directory);
      const free = bsize * bavail;
      if (free < 2 * needed * ARCHIVE_SHARE)
        throw new BrokerError(
          'ERR_CONFLICT',
          `${directory} has ${free} bytes free; a backup needs twice the size of the store: ${2 * needed}`,
        );
    }
  }

  /** Gives the archive and its manifest their names when both are durable, so that a full disk leaves neither. */
  async #publish(name: string, manifest: string): Promise<void> {
    const { directory } = this.#deps.config;
    const path = join(directory, name);
    const file = await open(`${path}${MANIFEST}${PART}`, 'w', 0o600);
    try {
      await file.writeFile(manifest);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(`${path}${ARCHIVE}${PART}`, `${path}${ARCHIVE}`);
    await rename(`${path}${MANIFEST}${PART}`, `${path}${MANIFEST}`);
    await syncDirectory(directory);
  }

  /** Removes the files of an interrupted backup. Between the two renames its archive had its name already. */
  async #removeUnfinished(): Promise<void> {
    const { config, storePath } = this.#deps;
    await this.#openPlace();
    await removeStoreFiles(`${storePath}.backup`);
    for (const file of await readdir(config.directory)) {
      if (!file.startsWith('quaymaster-') || !file.endsWith(PART)) continue;
      const path = join(config.directory, file);
      const unfinished = `${MANIFEST}${PART}`;
      if (file.endsWith(unfinished))
        await rm(`${path.slice(0, -unfinished.length)}${ARCHIVE}`, { force: true });
      await rm(path, { force: true });
    }
  }

  async #removeOldest(): Promise<void> {
    const { directory, keep } = this.#deps.config;
    for (const { name } of (await this.list()).slice(keep)) {
      // The manifest goes first: an archive without a manifest is not a backup.
      await rm(join(directory, `${name}${MANIFEST}`), { force: true });
      await rm(join(directory, `${name}${ARCHIVE}`), { force: true });
    }
  }

  #update(change: Partial<BackupRun>): void {
    if (this.#run !== undefined) this.#run = { ...this.#run, ...change };
  }
}

function placeMissing(directory: string): string {
  return `backup.directory: the broker cannot write to ${directory}, so no backup is made; mount it or repair its rights, and backups continue within a minute`;
}

/** The disk may fill up during the backup. The message names the step by the volumes that it writes to. */
function asBackupFailure(
  error: unknown,
  { config, storePath }: Pick<BackupDeps, 'config' | 'storePath'>,
): BrokerError {
  const { cause } = BrokerError.from(error);
  if (!isNoRoom(error) && !isNoRoom(cause)) return BrokerError.from(error);
  return new BrokerError(
    'ERR_STORE_UNAVAILABLE',
    `the disk is full: a backup needs room for a copy beside ${storePath} and for the archive in ${config.directory}`,
    { cause: error },
  );
}

/** Reads the size without opening the file: closing a descriptor of the database would drop SQLite's locks. */
async function readSize(path: string): Promise<number> {
  return stat(path).then(
    ({ size }) => size,
    () => 0,
  );
}
