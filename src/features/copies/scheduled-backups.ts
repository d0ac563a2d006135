import { constants } from 'node:fs';
import { access, mkdir, open, readdir, readFile, rename, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { syncDirectory } from '../../audit/base/durable-file.ts';
import type { LogIdentity } from '../../audit/records/log-identity.ts';
import { SystemActor } from '../../broker/recording/record.ts';
import { assertRecipient } from '../../crypto/encryption/age.ts';
import { sha256Hex } from '../../crypto/hashes/digest.ts';
import { BrokerError } from '../../domain/errors.ts';
import { instant } from '../../domain/time/instant.ts';
import type { Backup, BackupRun, Backups } from '../../ports/backups.ts';
import type { Claims } from '../../ports/claims.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Log } from '../../ports/log.ts';
import type { Store } from '../../ports/store.ts';
import type { RowGuard } from '../../store/guard/row-guard.ts';
import type { OpenedStore, StoreConfig } from '../../store/index.ts';
import { isNoRoom } from '../../store/sqlite/sqlite-fault.ts';
import type { StoreMode } from '../../store/store-deps.ts';
import type { InstallationKeys } from '../../broker/keys/installation-keys.ts';
import { encryptFile } from './backup-file.ts';
import type { BackupConfig } from './config.ts';
import { copyPlace, storeBytes, type CopyPlace } from './copy-place.ts';
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
import { wrappedLogKey } from './wrapped-log-key.ts';

const HOUR_MS = 3_600_000;
/** Pause after a failure: the next attempt does not wait for a whole interval. */
const RETRY_MS = 600_000;
/** Pause between two looks for a directory that is missing, as one that is not mounted yet, and between two attempts to tidy up. */
const PLACE_MS = 60_000;
/** The encrypted archive is larger than the copy by less than this share. */
const ARCHIVE_SHARE = 1.01;
/** Interval of renewals of the claim, well within its time. */
const RENEW_MS = 10_000;
/** An unfinished file of a backup. */
const PART = '.part';

interface BackupDeps {
  readonly config: BackupConfig;
  readonly storeConfig: StoreConfig;
  /** Lets one of several brokers make a backup; undefined if no other broker can have the store open. */
  readonly claims: Claims | undefined;
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

/** Makes backups of the store, on request and on schedule: copy, verify, encrypt, sign. One at a time, in all brokers together. */
export class ScheduledBackups implements Backups {
  readonly #deps: BackupDeps;
  readonly #system: SystemActor;
  readonly #place: CopyPlace;
  #run: BackupRun | undefined;
  #work: Promise<void> = Promise.resolve();
  #last: number | undefined;
  /** Time of the last failure. */
  #failedAt: number | undefined;
  #isPlaceMissing = false;
  #isTidy = false;
  #cancel: () => void = () => undefined;
  #isStopped = false;

  private constructor(deps: BackupDeps) {
    this.#deps = deps;
    this.#system = new SystemActor({ clock: deps.clock, digest: sha256Hex }, 'backup');
    const { storeConfig: store, config: backup, keys } = deps;
    this.#place = copyPlace({ store, backup }, 'backup', keys.installation);
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
    // With other brokers it takes a commit, for which a start does not wait.
    if (deps.claims === undefined) await backups.#tidyUp();
    backups.#schedule();
    return backups;
  }

  start(): BackupRun {
    if (this.#run?.state === 'running') return this.#run;
    const begun = this.#begin();
    this.#work = this.#work.then(() => this.#makeOnRequest());
    return begun;
  }

  run(): BackupRun | undefined {
    return this.#run;
  }

  /** Time at which the newest backup was made; undefined if there is none. */
  get last(): number | undefined {
    return this.#last;
  }

  /** The last attempt failed, and no broker has made a backup since. */
  get hasFailed(): boolean {
    return this.#failedAt !== undefined && (this.#last ?? 0) <= this.#failedAt;
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
    // Another broker may have made the newest one.
    this.#last = backups[0]?.createdAt;
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
      await this.list();
      if (wasMissing) log.info({ directory }, 'the directory of the backups is there again');
    } catch (error) {
      this.#isPlaceMissing = true;
      if (!wasMissing) log.error({ err: error, directory }, placeMissing(directory));
    }
  }

  /** @param least the shortest pause */
  #schedule(least = 0): void {
    const { clock } = this.#deps;
    if (this.#isStopped) return;
    if (this.#isPlaceMissing) {
      this.#cancel = clock.after(PLACE_MS, () => {
        this.#work = this.#work.then(() => this.#lookForPlace());
        void this.#work.then(() => this.#schedule());
      });
      return;
    }
    const pause = Math.max(this.#dueIn(), this.hasFailed ? RETRY_MS : least);
    const most = this.#isTidy || this.hasFailed ? HOUR_MS : PLACE_MS;
    this.#cancel = clock.after(Math.min(pause, most), () => {
      this.#work = this.#work.then(() => this.#makeIfDue());
      // While another broker makes it, the backup stays due.
      void this.#work.then(() => this.#schedule(PLACE_MS));
    });
  }

  /** Milliseconds until a scheduled backup is due. */
  #dueIn(): number {
    const { config, clock } = this.#deps;
    if (config.intervalHours === undefined) return Infinity;
    return (this.#last ?? 0) + config.intervalHours * HOUR_MS - clock.now();
  }

  /** Makes a backup under the claim, unless another broker makes one or has just made it. */
  async #makeIfDue(): Promise<void> {
    const { log } = this.#deps;
    await this.#lookForPlace();
    if (this.#isPlaceMissing) return;
    await this.#tidyUp();
    if (this.#dueIn() > 0) return;
    await this.#underClaim(async () => {
      await this.list();
      if (this.#dueIn() > 0) return;
      this.#begin();
      await this.#make();
    }).catch((error: unknown) => {
      this.#failedAt = this.#deps.clock.now();
      log.error({ err: error }, 'the backup failed; the previous backups are unchanged');
    });
  }

  async #makeOnRequest(): Promise<void> {
    try {
      if (await this.#underClaim(() => this.#make())) return;
      this.#fail(
        new BrokerError(
          'ERR_CONFLICT',
          'another broker makes a backup now; quaymaster backup ls lists it when it is complete',
        ),
      );
    } catch (error) {
      this.#failedAt = this.#deps.clock.now();
      this.#fail(error);
    }
  }

  /** @returns false if another broker makes a backup */
  async #underClaim(work: () => Promise<void>): Promise<boolean> {
    const { claims, log } = this.#deps;
    if (claims === undefined) {
      await work();
      return true;
    }
    const claim = await claims.take();
    if (claim === undefined) return false;
    const stop = this.#renew(claims);
    try {
      await work();
      return true;
    } finally {
      stop();
      await claims.giveUp(claim).catch((error: unknown) => {
        log.warn({ err: error }, 'the claim to backups expires by itself');
      });
    }
  }

  /** Keeps the claim during a long backup. A backup of another broker after a lost claim has its own files. */
  #renew(claims: Claims): () => void {
    let cancel = (): void => undefined;
    const again = (): void => {
      cancel = this.#deps.clock.after(RENEW_MS, () => {
        void claims.take().catch(() => undefined);
        again();
      });
    };
    again();
    return () => cancel();
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
      this.#failedAt = undefined;
      this.#update({ state: 'done', backup, finishedAt: clock.now() });
      await this.#removeOldest();
      log.info({ name: backup.name, bytes: backup.bytes }, 'a backup of the store is complete');
    } catch (error) {
      this.#failedAt = this.#deps.clock.now();
      const { code } = this.#fail(error);
      log.error({ err: error }, 'the backup failed; the previous backups are unchanged');
      const entry = this.#system.entry({ action: 'backup.create', outcome: 'error', code });
      await store.commit({ entries: [entry] }).catch(() => undefined);
    }
  }

  async #copyAndEncrypt(): Promise<Backup> {
    const { config, identity, clock, keys, release } = this.#deps;
    const createdAt = clock.now();
    const name = backupName(createdAt);
    const archivePath = join(config.directory, `${name}${ARCHIVE}`);
    await this.#removeUnfinished();
    await this.#requireSpace();
    try {
      const copy = await this.#place.prepare();
      await this.#deps.opened.copyTo(copy, (done, total) => this.#update({ done, total }));
      this.#update({ step: 'verify', done: 0, total: 0 });
      const verified = await verifyCopy(copy, { ...this.#deps, keys: () => Promise.resolve(keys) });
      this.#update({ step: 'encrypt' });
      const { plain, encrypted } = await encryptFile(
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
        archive: encrypted,
        recipients: config.recipients,
        ...(await wrappedLogKey(this.#deps.store)),
      };
      await this.#publish(name, signManifest(manifest, identity));
      return backupOf(manifest, identity.configured.verifier);
    } finally {
      await this.#removeUnfinished().catch(() => undefined);
    }
  }

  /** @throws ERR_CONFLICT if the copy or the archive would fill a volume. A full volume of the store would stop the broker. */
  async #requireSpace(): Promise<void> {
    const { config, storeConfig, opened } = this.#deps;
    const needed = await storeBytes(storeConfig, opened);
    for (const directory of [this.#place.directory, config.directory]) {
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

  /**
   * Removes, once, what a broker left that was killed during a backup. If other brokers have the store, it does so only under the claim: without it, the files
   * could be those of a backup in progress.
   */
  async #tidyUp(): Promise<void> {
    if (this.#isTidy) return;
    const remove = async (): Promise<void> => {
      await this.#place.sweep();
      await this.#removeUnfinished();
    };
    // An unreachable store or directory is reported elsewhere; the next attempt is a minute later.
    this.#isTidy = await this.#underClaim(remove).catch(() => false);
  }

  /** Removes the files of an interrupted backup. Between the two renames its archive had its name already. */
  async #removeUnfinished(): Promise<void> {
    const { config } = this.#deps;
    await this.#place.clear();
    await this.#openPlace();
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

  #begin(): BackupRun {
    const startedAt = this.#deps.clock.now();
    return (this.#run = { state: 'running', step: 'copy', done: 0, total: 0, startedAt });
  }

  #fail(cause: unknown): BrokerError {
    const { config, clock } = this.#deps;
    const failure = asBackupFailure(cause, config, this.#place);
    const error = `${failure.code}: ${failure.message}`;
    this.#update({ state: 'failed', error, finishedAt: clock.now() });
    return failure;
  }

  #update(change: Partial<BackupRun>): void {
    if (this.#run !== undefined) this.#run = { ...this.#run, ...change };
  }
}

function placeMissing(directory: string): string {
  return `backup.directory: the broker cannot write to ${directory}, so no backup is made; mount it or repair its rights, and backups continue within a minute`;
}

/** The disk may fill up during the backup. The message names the step by the volumes that it writes to. */
function asBackupFailure(error: unknown, config: BackupConfig, place: CopyPlace): BrokerError {
  const { cause } = BrokerError.from(error);
  if (!isNoRoom(error) && !isNoRoom(cause)) return BrokerError.from(error);
  return new BrokerError(
    'ERR_STORE_UNAVAILABLE',
    `the disk is full: a backup needs room for a copy in ${place.directory} and for the archive in ${config.directory}`,
    { cause: error },
  );
}
