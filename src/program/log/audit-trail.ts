import { isDeepStrictEqual } from 'node:util';
import { conditionText, cureOf, HELD } from '../../domain/conditions.ts';
import { BrokerError } from '../../domain/errors.ts';
import type { Config } from '../config/schema.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Log } from '../../ports/log.ts';
import { Acknowledgements } from '../../audit/sinks/acknowledgements.ts';
import { Archiver, type ArchiverOptions } from '../../audit/upkeep/archiver.ts';
import { beginBoot, endorseBoot, type Boot, type UnendorsedBoot } from '../../audit/chain/boot.ts';
import { surveyLog } from '../../audit/chain/boot-survey.ts';
import { createChain } from '../../audit/chain/chain.ts';
import { Compactor } from '../../audit/upkeep/compactor.ts';
import { readSinkStatus } from '../../audit/sinks/sink-status.ts';
import { Follower, type FollowerStatus } from '../../audit/sinks/follower.ts';
import { Integrator } from '../../audit/log/integrator.ts';
import { LastCommitFile } from '../../audit/records/last-commit.ts';
import { LogAnchor } from '../../audit/log/log-anchor.ts';
import { logIdentity, type LogIdentity } from '../../audit/records/log-identity.ts';
import { loadLogKeyFile } from '../../audit/records/log-key.ts';
import { requireLogKey } from '../keys/log-key.ts';
import { nextIdentity, storedIdentity } from '../../audit/log/log-origin.ts';
import { LogReader } from '../../audit/log/log-reader.ts';
import { LocalBatches } from '../../audit/records/local-batches.ts';
import type { HeldReason, LogExtent } from '../../audit/log/held-reasons.ts';
import { damageText } from '../../audit/log/log-damage.ts';
import { publicLog } from '../../audit/log/public-log.ts';
import { Scrubber } from '../../audit/upkeep/scrubber.ts';
import { ThreadedLog } from '../../audit/thread/threaded-log.ts';
import { SinkCursors } from '../../audit/sinks/sink-cursor.ts';
import { Notifications } from '../../audit/sinks/notifications.ts';
import { openSink } from '../../audit/sinks/open-sink.ts';
import { Witnesses } from '../../audit/upkeep/witnesses.ts';
import type { PublicLog } from '../../ports/public-log.ts';
import type { ArchiveStorage } from '../../ports/archive-storage.ts';
import type { CheckpointStorage } from '../../ports/checkpoint-storage.ts';
import type { SinkStatus } from '../../ports/broker-status.ts';
import type { AuditChain } from '../../ports/audit-chain.ts';
import type { Plan, Store } from '../../ports/store.ts';
import { SystemActor } from '../../broker/recording/record.ts';
import { parseWitnessKey } from '../../crypto/log/cosignature.ts';
import type { InstallationKeys } from '../../broker/keys/installation-keys.ts';
import type { SigningKey } from '../../crypto/signatures/signing.ts';
import { sha256Hex } from '../../crypto/hashes/digest.ts';
import type { RowMacs } from '../../crypto/signatures/row-mac.ts';
import { storeClaims } from '../../store/claims.ts';
import type { OpenedStore } from '../../store/index.ts';
import { processorMs, threadProcessorMs } from '../../process/processor-time.ts';
import { VERSION } from '../../process/version.ts';

const SINK_GRACE_MS = 2_000;
/**
 * Compaction waits while the event loop's thread takes more than this share of a processor, or works for more than this share of the time. The periodic
 * check of the log takes up to a fifth of a processor. A loop that always has work on a full machine gets little of the processor, and must not share it.
 */
const BUSY = { processor: 0.3, loop: 0.9 };
/** A search waits this long for entries that are not in the tree yet. */
const CATCH_UP_MS = 1_000;
const HOUR_MS = 3_600_000;

/** A boot before its store is open, and so before a log key in the store is. */
export interface BegunLog {
  readonly boot: UnendorsedBoot;
  readonly chain: AuditChain;
  /** The batches that the chain committed. */
  readonly localBatches: LocalBatches;
  /** The log key of the configured file; undefined if the store keeps it. */
  readonly logKey: SigningKey | undefined;
}

/** A boot that the log key endorsed. */
export interface BootLog extends Pick<BegunLog, 'localBatches'> {
  readonly identity: LogIdentity;
  readonly boot: Boot;
}

/** @throws ERR_CONFIG_INVALID for an unusable log key file. */
export async function beginLog({ audit }: Config, clock: Clock): Promise<BegunLog> {
  const logKey =
    audit.logKeyFile === undefined ? undefined : await loadLogKeyFile(audit.logKeyFile);
  const boot = beginBoot(clock.now());
  const localBatches = new LocalBatches();
  return { boot, chain: createChain(boot, localBatches), localBatches, logKey };
}

/** Endorses the boot with the log key, and gives the log the origin that it has since the store was last unlocked. @throws as `requireLogKey` */
export async function openBootLog(
  { boot, localBatches, logKey }: BegunLog,
  { audit }: Config,
  store: Store,
  keys: Pick<InstallationKeys, 'logKey'>,
): Promise<BootLog> {
  const key = logKey ?? requireLogKey(keys);
  const identity = await storedIdentity(store, logIdentity(audit.origin, key));
  return { identity, boot: endorseBoot(boot, key), localBatches };
}

interface TrailDeps {
  readonly config: Config;
  readonly store: OpenedStore;
  readonly outside: CheckpointStorage;
  /** Authenticates rows that the log keeps in other tables. */
  readonly rows: RowMacs;
  /** The store is being initialised, so it may have no log yet. */
  readonly isNew?: boolean;
  /** Archive of the log; undefined if the configuration has none. */
  readonly archive?: ArchiveStorage | undefined;
  /**
   * True for a command that prints its result on standard output. It sends no entries there: the next broker does, for the log
   * collector.
   */
  readonly isCommand?: boolean;
  readonly clock: Clock;
  readonly log: Log;
}

type Announced = Pick<Plan, 'writes' | 'entries'>;

const NOTHING_MORE: Required<Announced> = { writes: [], entries: [] };

/** State that `quaymaster release` accepted. */
export interface Released {
  readonly held: HeldReason;
  readonly extent: LogExtent;
  /** The log under its new origin. */
  readonly identity: LogIdentity;
}

interface SinkFollower {
  readonly config: Config['audit']['sinks'][number];
  readonly follower: Follower;
}

export type SinkSettings = Pick<Config['audit'], 'sinks' | 'acknowledgeWithinSeconds'>;

/** The file that names the last commit, only for a store that no other process writes to. */
function lastCommitFile({ store, audit }: Config): LastCommitFile | undefined {
  if (store.type !== 'sqlite' || audit.checkpointFile === undefined) return undefined;
  return new LastCommitFile(`${audit.checkpointFile}.last-commit`);
}

function staysHeld(reason: HeldReason): string {
  const condition = HELD[reason];
  const cure = condition === undefined ? '' : `; ${cureOf(condition)}`;
  return `the store stays held: ${conditionText(reason, condition)}${cure}`;
}

/** The running audit log. It integrates commits into the tree and delivers them to the sinks. */
export class AuditTrail {
  readonly reader: LogReader;
  /** Log that requests write to. */
  readonly log: ThreadedLog;
  readonly integrator: Integrator;
  readonly #bootLog: BootLog;
  readonly #deps: TrailDeps;
  readonly #system: SystemActor;
  readonly scrubber: Scrubber;
  readonly compactor: Compactor;
  /** Public log; undefined unless the configuration makes the log public. */
  readonly publicLog: PublicLog | undefined;
  /** Witnesses of the log; undefined if the configuration names none. */
  readonly witnesses: Witnesses | undefined;
  /** Archive of the log; undefined if the configuration has none. */
  readonly archiver: Archiver | undefined;
  /** Acknowledgements, for answers that wait for sinks. */
  readonly acknowledgements: Acknowledgements;
  readonly notifications: Notifications;
  readonly #cursors: SinkCursors;
  /** Last commit, only for a store that no other process writes to. */
  readonly #lastCommit: LastCommitFile | undefined;
  #followers: readonly SinkFollower[] = [];
  /** Removed sinks that still get the rest of the log. */
  #leaving: Promise<unknown> = Promise.resolve();
  #isAnnounced = false;

  constructor(bootLog: BootLog, deps: TrailDeps) {
    const { store, outside, clock, config, log, rows, isNew = false, archive } = deps;
    [this.#bootLog, this.#deps] = [bootLog, deps];
    this.#cursors = new SinkCursors(store, rows);
    this.#system = new SystemActor({ clock, digest: sha256Hex }, 'broker');
    this.reader = this.#openReader();
    this.log = new ThreadedLog({ reader: this.reader, store, clock });
    const alone = config.store.type === 'sqlite';
    const claims = storeClaims(store, clock, { owner: bootLog.boot.writer, alone });
    this.#lastCommit = lastCommitFile(config);
    this.integrator = new Integrator({
      store,
      clock,
      log: bootLog.identity,
      outside,
      anchor: new LogAnchor(rows),
      lastCommit: this.#lastCommit,
      isNew,
      localBatches: bootLog.localBatches,
      claims,
      alone,
      archive,
      onError: (error) => this.#integrationFailed(error),
      onUnwritten: (error) =>
        log.error(
          { err: error, place: outside.name },
          'the checkpoint outside the store cannot be written: until it can, nothing would show that the store was rolled back to a state since the last write; retrying',
        ),
    });
    this.acknowledgements = this.#openAcknowledgements();
    this.notifications = this.#openNotifications();
    const worker = { store, reader: this.reader, clock, claims };
    this.scrubber = new Scrubber({
      ...worker,
      logKey: bootLog.identity.verifier.key,
      intervalMs: config.audit.scrubIntervalHours * HOUR_MS,
      onDamage: (damage) =>
        log.error(
          { ...damage },
          `the audit log is damaged: ${damageText(damage)}; see docs/operations.md`,
        ),
      onAlteredBatch: (finding) =>
        log.error(
          { ...finding },
          `the audit log is damaged: ${finding.message}; see docs/operations.md`,
        ),
      onAlteredTiles: () =>
        log.error(
          {},
          'the audit log is damaged: hashes of the tree are altered or gone, the entries verify; see docs/operations.md',
        ),
      onReadsDiffer: () =>
        log.error(
          {},
          'the read index lacks a read that the audit log has: it is built again, and until then answers about exposure say that they are not complete',
        ),
      onError: (error) => log.error({ err: error }, 'the check of the audit log failed; retrying'),
    });
    this.compactor = new Compactor({
      ...worker,
      isBusy: threadIsBusierThan(worker.clock, BUSY),
      processorMs,
      onProgress: (done, size) =>
        log.info({ done, size }, `compressed the audit log up to entry ${done} of ${size}`),
      onError: (error) =>
        log.error({ err: error }, 'the audit log could not be compressed; retrying'),
    });
    this.archiver = archive && this.#openArchiver({ ...worker, place: archive });
    this.witnesses = this.#openWitnesses();
    this.publicLog = config.audit.publicTiles
      ? publicLog(this.log, this.witnesses !== undefined)
      : undefined;
  }

  #openReader(): LogReader {
    const { store, archive } = this.#deps;
    const catchUp = (): Promise<void> => this.#catchUp();
    return new LogReader(store, this.#bootLog.identity, { catchUp, archive });
  }

  #openAcknowledgements(): Acknowledgements {
    const { store, clock } = this.#deps;
    const { localBatches, boot } = this.#bootLog;
    return new Acknowledgements({
      localBatches,
      writer: boot.writer,
      store,
      cursors: this.#cursors,
      clock,
      append: () => this.integrator.append(),
      size: () => this.reader.size(),
    });
  }

  #openArchiver(options: Omit<ArchiverOptions, 'origin' | 'logKey' | 'delivered'>): Archiver {
    const { origin, verifier } = this.#bootLog.identity;
    const delivered = (size: number): Promise<number> => this.#findDelivered(size);
    return new Archiver({ ...options, origin, logKey: verifier.key, delivered });
  }

  #openWitnesses(): Witnesses | undefined {
    const { config, store, clock, log } = this.#deps;
    const { witnesses, witnessPolicy } = config.audit;
    if (witnesses.length === 0) return undefined;
    return new Witnesses({
      settings: witnesses.map(({ key, ...witness }) => {
        return { ...witness, verifier: parseWitnessKey(key) };
      }),
      required: witnessPolicy?.required ?? witnesses.length,
      reader: this.reader,
      log: this.#bootLog.identity.verifier,
      store,
      clock,
      isActive: () => this.integrator.status().state === 'active',
      onFault: (witness, { fault, message, isContradiction }) =>
        log[isContradiction ? 'error' : 'warn'](
          { witness, fault },
          `witness "${witness}" gave no cosignature: ${message}; docs/audit.md, "Witnesses"`,
        ),
      onError: (error) =>
        log.error({ err: error }, 'could not submit the checkpoint to the witnesses; retrying'),
    });
  }

  /** Records this boot, links it to earlier boots, and starts. @returns the reason if the store is held. */
  async start(): Promise<{ readonly held: HeldReason | undefined }> {
    const { config } = this.#deps;
    if (this.held !== undefined) return { held: this.held };
    const { held } = await this.integrator.start();
    if (held !== undefined) return { held };
    await this.#announce({});
    this.replaceSinks(config.audit);
    this.notify(config.notifications);
    this.scrubber.start();
    this.compactor.start();
    this.witnesses?.start();
    return { held: undefined };
  }

  /**
   * Accepts a held store as it is, on behalf of an operator.
   * @param more what the same commit changes and records besides: no process sees an unlocked store without it
   * @returns the reason why it was held, and the accepted state.
   * @throws ERR_CONFLICT if it is not held, ERR_HELD if its contents are inconsistent.
   */
  async release(comment: string, more: Required<Announced> = NOTHING_MORE): Promise<Released> {
    const { differences } = this.#deps.store.condition;
    if (differences.length > 0) throw schemaDiffers(differences);
    const { held } = await this.integrator.start();
    if (held === undefined) throw new BrokerError('ERR_CONFLICT', 'the store is not held');
    const extent = await this.integrator.extent();
    const identity = nextIdentity(this.#bootLog.identity, this.#deps.clock.now());
    const after = await this.integrator.release(identity, (writes, link) =>
      this.#announce({
        writes: [...writes, ...more.writes],
        entries: [
          this.#system.entry({
            action: 'broker.release',
            outcome: 'ok',
            cause: held,
            comment,
            log: link,
          }),
          ...more.entries,
        ],
      }),
    );
    if (after.held !== undefined) throw new BrokerError('ERR_HELD', staysHeld(after.held));
    return { held, extent, identity };
  }

  /** The reason why the broker must serve nothing. It is found at the start or during an append to the log. */
  get held(): HeldReason | undefined {
    return this.#deps.store.condition.differences.length > 0
      ? 'schema_differs'
      : this.integrator.held;
  }

  /** Problems that an operator must examine while the broker serves; empty if none. See docs/operations.md, "Damage in the audit log". */
  warnings(): readonly string[] {
    const sinks = this.sinks();
    const { damaged, tilesAltered, alteredBatches } = this.scrubber.status();
    const found = {
      audit_log_damaged: damaged > 0 || tilesAltered || alteredBatches > 0,
      audit_chain_broken: this.integrator.status().broken.length > 0,
      audit_checkpoint_failed: this.integrator.status().isUnwritten,
      audit_sink_stopped: sinks.some(({ isStopped }) => isStopped),
      audit_sink_cursor_forged: sinks.some(({ cursorForged }) => cursorForged),
      audit_witness_contradicts: this.witnesses
        ?.status()
        .witnesses.some(({ contradictions }) => contradictions > 0),
    };
    return Object.entries(found).flatMap(([name, isFound]) => (isFound === true ? [name] : []));
  }

  /** Names this process in claims. */
  get owner(): string {
    return this.#bootLog.boot.writer;
  }

  /** The status of each sink, in the order of the configuration. */
  sinks(): readonly FollowerStatus[] {
    return this.#followers.map(({ follower }) => follower.status());
  }

  /** The status of each sink with its lag, in the order of the configuration. */
  async readSinks(): Promise<readonly SinkStatus[]> {
    if (this.#followers.length === 0) return [];
    // The head of a damaged log cannot be read, and only an active integrator knows the size.
    const size = this.held === undefined ? await this.reader.size() : this.integrator.status().size;
    const live = await this.reader.archived.end();
    const by = { size, live, cursors: this.#cursors, store: this.#deps.store };
    return Promise.all(this.#followers.map(({ follower }) => readSinkStatus(follower, by)));
  }

  /** Sends the log to these sinks from now on. A sink that is removed gets the entries so far, then nothing more. */
  replaceSinks({ sinks, acknowledgeWithinSeconds }: SinkSettings): void {
    if (!this.#isAnnounced) return;
    const before = this.#followers;
    this.#followers = sinks.map((config) => {
      const known = before.find((follower) => isDeepStrictEqual(follower.config, config));
      if (known !== undefined) return known;
      const opened = { config, follower: this.#follow(config) };
      // A file that was removed and is back again must not get entries from two followers.
      void this.#leaving.then(() => opened.follower.start());
      return opened;
    });
    const required = this.#followers.filter(({ config }) => config.mustAcknowledge === true);
    this.acknowledgements.require(
      required.map(({ follower }) => follower),
      acknowledgeWithinSeconds * 1_000,
    );
    const leaving = before.filter((former) => !this.#followers.includes(former));
    this.#leaving = Promise.all([
      this.#leaving,
      ...leaving.map(({ follower }) => follower.close(SINK_GRACE_MS)),
    ]);
  }

  /** Notifies these receivers from now on. */
  notify(config: Config['notifications']): void {
    if (this.#isAnnounced) this.notifications.replace(config, SINK_GRACE_MS);
  }

  #openNotifications(): Notifications {
    const { clock, log } = this.#deps;
    return new Notifications({
      reader: this.reader,
      cursors: this.#cursors,
      clock,
      isActive: () => this.integrator.status().state === 'active',
      onError: (receiver, err) =>
        log.error({ err, receiver }, 'a notification was not delivered; retrying'),
      onForgedCursor: (receiver) =>
        log.error(
          { receiver },
          'the cursor of a receiver of notifications was changed in the database: it gets the events of the last 1,000 entries again, and may lack earlier ones; compare with quaymaster alert ls',
        ),
    });
  }

  #follow(config: Config['audit']['sinks'][number]): Follower {
    const { clock, log } = this.#deps;
    const sink = openSink(config, process.stdout, clock);
    return new Follower({
      reader: this.reader,
      cursors: this.#cursors,
      clock,
      sink,
      isActive: () => this.#delivers(config),
      isAwaited: config.mustAcknowledge === true,
      onDelivered: (entries) => this.acknowledgements.delivered(sink.name, entries),
      onForgedCursor: () =>
        log.error(
          { sink: sink.name },
          'the cursor of an audit sink was changed in the database; the sink gets the log again from entry 0',
        ),
      onArchived: (first, end) =>
        log.warn(
          { sink: sink.name, first, end },
          `an audit sink does not get the entries ${first} to ${end - 1}, because they are archived`,
        ),
      onError: (error) =>
        log.error({ err: error, sink: sink.name }, 'an audit sink failed; retrying'),
    });
  }

  /** Reports whether this process delivers to a sink. Several brokers have one receiver, but each its own files. */
  #delivers({ type }: Config['audit']['sinks'][number]): boolean {
    if (type === 'stdout') return this.#deps.isCommand !== true;
    return type === 'file' || this.integrator.status().state === 'active';
  }

  /** Reopens the sinks' files after log rotation moved them away. */
  async reopenSinks(): Promise<void> {
    await Promise.all(this.#followers.map(({ follower }) => follower.reopen()));
  }

  /** Records the end of this boot (if its start was recorded), integrates all entries into the tree, and stops. */
  async stop(cause: string): Promise<void> {
    const { store, log } = this.#deps;
    await this.log.close();
    if (!this.#isAnnounced) return;
    try {
      await store.commit({
        entries: [this.#system.entry({ action: 'broker.stop', outcome: 'ok', cause })],
      });
      await this.integrator.integrate();
    } catch (error) {
      log.error({ err: error }, 'the end of this boot could not be recorded');
    }
    await this.witnesses?.close();
    await this.compactor.close();
    await this.scrubber.close();
    await this.#leaving;
    await Promise.all(this.#followers.map(({ follower }) => follower.close(SINK_GRACE_MS)));
    await this.notifications.close(SINK_GRACE_MS);
    await this.integrator.close();
    this.#lastCommit?.close();
  }

  /** The first entry that a configured sink may still need. */
  async #findDelivered(size: number): Promise<number> {
    const sinks = this.#followers.map(({ follower }) => follower);
    const needed = [...sinks, ...this.notifications.followers].map(async (follower) => {
      const { next } = await this.#cursors.read(follower.name, size);
      return Math.max(0, next - follower.unconfirmed);
    });
    return Math.min(size, ...(await Promise.all(needed)));
  }

  /** Integrates the commits before the call. It gives up after a second: a long backlog, or another replica that integrates. */
  async #catchUp(): Promise<void> {
    const stop = new AbortController();
    const limit = this.#deps.clock.sleep(CATCH_UP_MS, stop.signal).catch(() => undefined);
    await Promise.race([this.integrator.catchUp(), limit]);
    stop.abort();
  }

  #integrationFailed(error: unknown): void {
    const { log } = this.#deps;
    const { held: reason } = this;
    if (reason === undefined)
      log.error({ err: error }, 'could not integrate the audit log; retrying');
    else if (reason !== 'log_damaged')
      log.error(
        { err: error, reason },
        'the store was replaced by another copy while the broker ran: nothing is served any more; stop every replica and restore the store as in docs/upgrade-and-backup.md',
      );
    else
      log.error(
        { err: error, reason },
        'the end of the audit log is damaged, so that nothing can be added to it: nothing is served any more; restore a backup',
      );
  }

  /** Writes the first entries of this boot: its key, the link to earlier boots, and the entries that belong into the same commit. */
  async #announce({ writes = [], entries: more = [] }: Announced): Promise<void> {
    const { store } = this.#deps;
    const { boot, unfinished } = await surveyLog(
      store,
      this.#bootLog.identity,
      this.#bootLog.boot,
      VERSION,
    );
    const entries = [this.#system.entry({ action: 'broker.start', outcome: 'ok', boot })];
    if (unfinished !== undefined) {
      const comment = `${unfinished.writer} ${unfinished.seq}`;
      entries.push(
        this.#system.entry({ action: 'recovery', outcome: 'ok', cause: 'unclean_stop', comment }),
      );
    }
    this.#lastCommit?.follow(this.#bootLog.localBatches);
    await store.commit({ writes, entries: [...entries, ...more] });
    this.#isAnnounced = true;
  }
}

/** Lists the objects that an operator must repair in the database. `quaymaster release` does not accept these differences. */
export function schemaDiffers(differences: readonly string[]): BrokerError {
  return new BrokerError(
    'ERR_HELD',
    `the store is held (schema_differs): ${differences.join('; ')}. Restore the schema as the migrations make it, or a backup`,
  );
}

/** Returns a function that tells whether this thread exceeded one of these shares since its last call. */
function threadIsBusierThan(
  clock: Pick<Clock, 'monotonic'>,
  most: { readonly processor: number; readonly loop: number },
): () => boolean {
  const read = () => ({
    at: clock.monotonic(),
    used: threadProcessorMs(),
    loop: performance.eventLoopUtilization(),
  });
  let last = read();
  return () => {
    const now = read();
    const { utilization } = performance.eventLoopUtilization(now.loop, last.loop);
    const processor = (now.used - last.used) / (now.at - last.at);
    last = now;
    return processor > most.processor || utilization > most.loop;
  };
}
