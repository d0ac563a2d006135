import { setImmediate as loopTurn } from 'node:timers/promises';
import { signCheckpoint } from '../../crypto/log/checkpoint.ts';
import { EMPTY_ROOT } from '../../crypto/log/merkle.ts';
import type { OriginReference } from '../../domain/audit/audit-actions.ts';
import { BrokerError } from '../../domain/errors.ts';
import type { ArchiveStorage } from '../../ports/archive-storage.ts';
import type { CheckpointStorage } from '../../ports/checkpoint-storage.ts';
import type { Clock } from '../../ports/clock.ts';
import { RepeatedWork } from '../../ports/repeated-work.ts';
import type { Expectation, Store, Write } from '../../ports/store.ts';
import type { Claim, Claims, OpenClaims } from '../../ports/claims.ts';
import type { ChainedBatch } from '../records/chained-batch.ts';
import { ReadIndexUpkeep } from './read-index-upkeep.ts';
import type { GrowingLog } from './growing-log.ts';
import type { LogIdentity } from '../records/log-identity.ts';
import type { LastCommitFile } from '../records/last-commit.ts';
import type { LogAnchor } from './log-anchor.ts';
import { referenceTo, writeOrigin } from './log-origin.ts';
import {
  differenceFrom,
  heldReason,
  logExtent,
  openLog,
  type Expected,
  type HeldReason,
  type LogExtent,
} from './held-reasons.ts';
import type { LocalBatches } from '../records/local-batches.ts';
import { OutsideCheckpoint } from './outside-checkpoint.ts';
import { PendingBatches, type BrokenChain } from './pending-batches.ts';
import { storedCheckpoint, type SignedCheckpoint } from './stored-tree.ts';

export interface IntegratorOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: LogIdentity;
  /** The place of the last checkpoint, outside the store. */
  readonly outside: CheckpointStorage;
  /** A second record of the log's extent, besides the file; undefined while the store has no keys. */
  readonly anchor?: LogAnchor | undefined;
  /** Names the last acknowledged entry; undefined if other processes may write to the store. */
  readonly lastCommit?: LastCommitFile | undefined;
  /** The store is being initialised, so it may have no log yet. */
  readonly isNew?: boolean;
  /** The batches that this process commits. */
  readonly localBatches: LocalBatches;
  readonly claims: OpenClaims;
  /** True if no other process can have this store open. */
  readonly alone: boolean;
  /** Archived entries, for the read index; undefined if the configuration has no archive. */
  readonly archive?: ArchiveStorage | undefined;
  readonly intervalMs?: number;
  /** A round failed: for the log and an alarm. The next round starts again from the store. */
  readonly onError?: (error: unknown) => void;
  /** The checkpoint outside the store could not be written; a later round retries. */
  readonly onUnwritten?: (error: unknown) => void;
}

export interface IntegratorStatus {
  /** `standby`: another process integrates. `held`: see `held`; no entry is appended. */
  readonly state: 'stopped' | 'standby' | 'active' | 'held';
  readonly held: HeldReason | undefined;
  /** Entries in the tree of the last checkpoint. */
  readonly size: number;
  /** Milliseconds since the epoch of the last round that left no work. */
  readonly caughtUpAt: number | undefined;
  /** Chains that do not verify: tampering or damage between commit and integration. */
  readonly broken: readonly BrokenChain[];
  /** This process writes the checkpoint outside the store, and its last write failed. */
  readonly isUnwritten: boolean;
}

const INTERVAL_MS = 250;
/** Reasons that an operator cannot accept. */
const STAYS_HELD: readonly (HeldReason | undefined)[] = ['log_damaged', 'origin_differs'];
/**
 * Interval of the checkpoint file if there is a last-commit file, which is synced in each round. Replacing and syncing the checkpoint file takes two
 * commits of the file system's journal, for which the commits of the store wait; syncing the other file takes one flush.
 */
const NOTE_MS = 1_000;
/** A killed owner is replaced after this time. A living one renews its claim every second. */
const SILENCE_MS = 4_000;
/** Interval of sweeps if no other process writes to the store: they then find only batches that were not accepted from memory. */
const ALONE_SWEEP_MS = 30_000;
const MINUTE_MS = 60_000;
/** Waiting rows that make the integrator write before the interval is over: a larger plan would delay the commit it is part of. */
const MOST_WAITING = 256;
/**
 * Small commits of this process are appended together: after this time, or when this many entries wait. Appending one entry alone takes 90 µs,
 * because nothing of it is in the processor's caches; in a group it takes 10 µs (measured).
 */
const GROUP_MS = 20;
const GROUP_ENTRIES = 32;

/** The log as one holder of the claim continues it. */
interface Session {
  readonly epoch: number;
  readonly log: GrowingLog;
  readonly pending: PendingBatches;
  readonly upkeep: ReadIndexUpkeep;
}

/**
 * Appends committed entries to the one Merkle tree, indexes them and signs a checkpoint, within a second. Batches of this process are
 * appended from memory soon after their commit. All others are read from the store and checked in small steps, so that no request waits.
 * One plan writes everything that was appended, so the stored tree is always complete.
 */
export class Integrator {
  readonly #options: IntegratorOptions;
  readonly #claims: Claims;
  readonly #rounds: RepeatedWork;
  #log: LogIdentity;
  #state: IntegratorStatus['state'] = 'stopped';
  #held: HeldReason | undefined;
  #claim: Claim | undefined;
  #session: Session | undefined;
  #checkpoint: SignedCheckpoint | undefined;
  #checkpointAt = 0;
  #caughtUpAt: number | undefined;
  /** Durable batches of this process that are not appended yet, in order, with the number of their entries. */
  #group: ChainedBatch[] = [];
  #grouped = 0;
  #cancelGroup: () => void = () => undefined;
  #round: Promise<void> = Promise.resolve();
  #isWorking = false;
  /** True while the rows of readers are loaded. Nothing is appended meanwhile, so that one plan has everything. */
  #isLoading = false;
  /** Monotonic milliseconds. */
  #tendAfter = 0;
  readonly #outside: OutsideCheckpoint;
  #unfollow: () => void = () => undefined;

  constructor(options: IntegratorOptions) {
    const { clock, intervalMs = INTERVAL_MS } = options;
    this.#options = options;
    this.#log = options.log;
    this.#claims = options.claims('audit-integrator', SILENCE_MS);
    this.#outside = new OutsideCheckpoint({
      storage: options.outside,
      store: options.store,
      clock,
      onError: (error) => options.onUnwritten?.(error),
    });
    this.#rounds = new RepeatedWork({
      clock,
      run: async () => {
        await this.append();
        return intervalMs;
      },
      onError: () => intervalMs,
    });
  }

  status(): IntegratorStatus {
    return {
      state: this.#state,
      held: this.#held,
      size: this.#checkpoint?.size ?? 0,
      caughtUpAt: this.#caughtUpAt,
      broken: this.#session?.pending.broken() ?? [],
      isUnwritten: this.#state === 'active' && this.#outside.isFailing,
    };
  }

  /** Reason why the broker must not serve; undefined while the log is valid. */
  get held(): HeldReason | undefined {
    return this.#held;
  }

  /** Compares the store with the checkpoint outside it, then works until `close`. Resolves when it is known whether the store is held. */
  async start(): Promise<IntegratorStatus> {
    this.#held = await heldReason(this.#options.store, this.#expected());
    this.#state = this.#held === undefined ? 'standby' : 'held';
    if (this.#held === undefined) await this.#begin();
    return this.status();
  }

  /** The extent of the log, by each place that records it. */
  extent(): Promise<LogExtent> {
    return logExtent(this.#options.store, this.#expected());
  }

  #expected(): Expected {
    const { outside, anchor, isNew, lastCommit } = this.#options;
    return { log: this.#log, outside, anchor: isNew === true ? undefined : anchor, lastCommit };
  }

  async #begin(): Promise<void> {
    this.#checkpoint = await storedCheckpoint(this.#options.store, this.#log.verifier);
    // The note is written before the store has a checkpoint. After a crash between the two writes, it would otherwise seem to be lost.
    if (this.#checkpoint === undefined) await this.#outside.begin(this.#emptyNote());
    this.#unfollow = this.#options.localBatches.follow((batch) => this.#collect(batch));
    this.#rounds.startAfter(this.#options.intervalMs ?? INTERVAL_MS);
  }

  /**
   * Releases a held store on behalf of an operator. Its log continues under the origin of `next`, because another history may have a checkpoint of
   * the present origin. `record` commits the given writes with the entry of the release. The file is written first: after a crash between the two the
   * store is still held, and only these entries were ever signed under the origin. A damaged log stays held.
   */
  async release(
    next: LogIdentity,
    record: (writes: readonly Write[], link: OriginReference) => Promise<void>,
  ): Promise<IntegratorStatus> {
    const { store, anchor } = this.#options;
    if (this.#state !== 'held' || STAYS_HELD.includes(this.#held)) return this.status();
    const { outside } = await this.extent();
    const stored = await storedCheckpoint(store, this.#log.verifier);
    const { size, root } = stored ?? { size: 0, root: EMPTY_ROOT };
    const note = signCheckpoint({ origin: next.origin, size, root }, next.signer);
    const previous = referenceTo({ origin: this.#log.origin, size, root });
    const isLost = this.#held === 'store_behind' || this.#held === 'store_forked';
    const abandoned = isLost && typeof outside === 'object' ? referenceTo(outside) : undefined;
    await this.#outside.begin(note);
    const anchored = anchor?.write({ size, root });
    const writes: Write[] = [
      writeOrigin(next),
      ...(stored === undefined
        ? []
        : [{ table: 'log_checkpoints', key: { size }, change: { note } } as const]),
      ...(anchored === undefined ? [] : [anchored]),
    ];
    await record(writes, { origin: next.origin, previous, abandoned });
    this.#log = next;
    this.#held = undefined;
    this.#state = 'standby';
    await this.#begin();
    return this.status();
  }

  #emptyNote(): string {
    const { origin, signer } = this.#log;
    return signCheckpoint({ origin, size: 0, root: EMPTY_ROOT }, signer);
  }

  /** Runs one round now. If this process integrates, all entries committed before the call are in the tree when it resolves. */
  async integrate(): Promise<void> {
    await this.#runNext(() => {
      this.#sweepNext();
      return this.#runRound(0);
    });
  }

  /** Runs a round for a search: the files outside the store follow in the next round, because their flushes would delay the commits of reads. */
  async catchUp(): Promise<void> {
    await this.#runNext(() => {
      this.#sweepNext();
      return this.#attempt(() => this.#work());
    });
  }

  /** Runs a round like `integrate`, but without a new checkpoint outside each time, and without a search for the entries of silent writers. */
  async append(): Promise<void> {
    const noteMs = this.#options.lastCommit === undefined ? 0 : NOTE_MS;
    await this.#runNext(() => this.#runRound(noteMs));
  }

  async close(): Promise<void> {
    const stopped = this.#rounds.stop();
    this.#cancelGroup();
    this.#unfollow();
    await stopped;
    await this.#round;
    if (this.#state === 'active') await this.#giveUp();
    this.#state = 'stopped';
  }

  async #giveUp(): Promise<void> {
    const { onError } = this.#options;
    try {
      if (this.#claim !== undefined) await this.#claims.giveUp(this.#claim);
    } catch (error) {
      onError?.(error);
    }
  }

  /** Requests a sweep, unless this process is alone and therefore knows of all entries. A sweep takes 14 ms if the log has 10,000 boots. */
  #sweepNext(): void {
    if (!this.#options.alone) this.#session?.pending.sweepNext();
  }

  #runNext(round: () => Promise<void>): Promise<void> {
    this.#round = this.#round.then(round);
    return this.#round;
  }

  /** Takes one durable batch of this process. Runs within its commit, so callers wait for it, and not for the tree. */
  #collect(batch: ChainedBatch): void {
    const isFull = this.#grouped >= GROUP_ENTRIES;
    if (this.#grouped === 0)
      this.#cancelGroup = this.#options.clock.after(GROUP_MS, () => this.#appendGroup());
    this.#group.push(batch);
    this.#grouped += batch.row.count;
    if (!isFull && this.#grouped >= GROUP_ENTRIES) setImmediate(() => this.#appendGroup());
  }

  #appendGroup(): void {
    if (this.#isLoading) return;
    this.#takeGroup();
    const waiting = this.#session?.log.waiting ?? 0;
    if (waiting >= MOST_WAITING && !this.#isWorking)
      this.#round = this.#attempt(() => this.#work());
  }

  /** Appends the collected batches. Those that the log does not accept are read from the store. */
  #takeGroup(): void {
    this.#cancelGroup();
    const group = this.#group;
    this.#group = [];
    this.#grouped = 0;
    if (this.#session === undefined) return;
    const { log, pending } = this.#session;
    for (const batch of group) if (pending.accepts(batch)) log.append(batch);
  }

  async #runRound(noteMs: number): Promise<void> {
    await this.#attempt(async () => {
      await this.#work();
      await this.#note(noteMs);
      await this.#options.lastCommit?.sync();
      await this.#tendReads();
    });
  }

  async #attempt(work: () => Promise<void>): Promise<void> {
    if (this.#rounds.signal.aborted || this.#state === 'held' || this.#state === 'stopped') return;
    this.#isWorking = true;
    try {
      await work();
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#isWorking = false;
    }
  }

  #fail(error: unknown): void {
    this.#session = undefined;
    // A forged claim holds the store with its own reason: the log is not damaged.
    const isForged = error instanceof BrokerError && error.code === 'ERR_CIPHERTEXT_INVALID';
    if (isForged && error.reason !== 'rows_differ') {
      this.#state = 'held';
      this.#held = 'log_damaged';
    }
    this.#options.onError?.(error);
  }

  async #work(): Promise<void> {
    this.#claim = await this.#claims.take();
    this.#state = this.#claim === undefined ? 'standby' : 'active';
    // Another process may have appended and given up the claim while this one was paused. The epoch shows that.
    if (this.#session?.epoch !== this.#claim?.epoch) this.#session = undefined;
    if (this.#claim === undefined) return;
    const session = (this.#session ??= await this.#open(this.#claim));
    while (await this.#turn(session, this.#claim)) {
      await this.#note(INTERVAL_MS);
      // The claim is renewed during a long backlog too, which must not look like silence.
      const claim = await this.#claims.take();
      if (claim?.epoch !== session.epoch) throw new BrokerError('ERR_CONFLICT', 'claim lost');
      this.#claim = claim;
    }
    this.#caughtUpAt = this.#options.clock.now();
  }

  /** One step of the upkeep of the read index. A failure concerns only the index: the session is opened again, and the store is not held. */
  async #tendReads(): Promise<void> {
    const { clock, onError } = this.#options;
    if (this.#state !== 'active' || clock.monotonic() < this.#tendAfter) return;
    try {
      await this.#session?.upkeep.step();
    } catch (error) {
      this.#session = undefined;
      this.#tendAfter = clock.monotonic() + MINUTE_MS;
      onError?.(error);
    }
  }

  /** Writes the checkpoint outside the store, unless it was written within `ms`: each sync of a file delays the syncs of the store. */
  async #note(ms: number): Promise<void> {
    const checkpoint = this.#checkpoint;
    if (this.#state !== 'active' || checkpoint === undefined) return;
    const { note: text, size } = checkpoint;
    const held = await this.#outside.note({ text, size, log: this.#log }, ms);
    if (held !== undefined) this.#hold(held);
  }

  /** Holds the store of a running broker. */
  #hold(reason: HeldReason): never {
    this.#state = 'held';
    this.#held = reason;
    throw new BrokerError('ERR_HELD', 'the store was replaced while the broker ran');
  }

  async #open({ epoch }: Claim): Promise<Session> {
    const { store, clock, anchor, alone, archive, onError } = this.#options;
    const { log, checkpoint } = await openLog(store, this.#log, anchor);
    const known = this.#checkpoint;
    const replaced = known && (await differenceFrom(store, known, checkpoint?.size ?? 0));
    if (replaced !== undefined) this.#hold(replaced);
    this.#checkpoint = checkpoint;
    const sweepMs = alone ? ALONE_SWEEP_MS : undefined;
    const pending = new PendingBatches(store, this.#log.verifier.key, clock, sweepMs);
    const upkeep = new ReadIndexUpkeep({
      store,
      clock,
      reads: log.reads,
      checkpoint: () => this.#checkpoint,
      archive,
      commit: ({ expect, writes }) => this.#commit(expect, writes),
      onUnreadable: (error) => onError?.(error),
    });
    return { epoch, log, pending, upkeep };
  }

  /** Appends and writes for one turn. @returns whether more entries wait. */
  async #turn({ log, pending }: Session, claim: Claim): Promise<boolean> {
    const { alone, clock } = this.#options;
    const begun = clock.now();
    const end = clock.monotonic() + INTERVAL_MS;
    // A plan for each read would cost a quarter more processor time (measured with commits of 16 entries).
    do {
      // Committed batches arrive and requests are answered in between.
      await loopTurn();
      this.#takeGroup();
      await pending.read((batch) => log.append(batch));
    } while (!pending.drained && log.waiting < MOST_WAITING && clock.monotonic() < end);
    if (log.size > (this.#checkpoint?.size ?? 0)) {
      const foundUntil = alone ? begun : pending.foundUntil;
      await this.#write(log, claim, pending.drained ? foundUntil : this.#checkpointAt);
    }
    return !pending.drained;
  }

  /** Writes the appended rows and a checkpoint. `at`: see `#checkpointWrites`. */
  async #write(log: GrowingLog, claim: Claim, at: number): Promise<void> {
    await this.#loadReaders(log);
    const checkpoint = this.#sign(log);
    const plan = log.takePlan();
    const writes = [...plan.writes, ...this.#checkpointWrites(checkpoint, at, log.state)];
    const last = this.#checkpoint;
    const expect = [...plan.expect];
    // A database that was restored while the broker runs may still have this claim. Its log must not be continued from memory.
    if (last !== undefined)
      expect.push({
        table: 'log_checkpoints',
        key: { size: last.size },
        match: { note: last.note },
      });
    await this.#commit(expect, writes, claim);
    this.#checkpoint = checkpoint;
    this.#checkpointAt = at;
  }

  async #commit(
    expect: readonly Expectation[],
    writes: readonly Write[],
    claim = this.#claim,
  ): Promise<void> {
    const held = claim === undefined ? [] : [this.#claims.isHeld(claim)];
    const outcome = await this.#options.store.commit({ expect: [...held, ...expect], writes });
    if (outcome.status !== 'committed') throw new BrokerError('ERR_CONFLICT', 'claim lost');
  }

  async #loadReaders({ reads }: GrowingLog): Promise<void> {
    if (reads.isLoaded) return;
    this.#isLoading = true;
    try {
      await reads.load(this.#options.store);
    } finally {
      this.#isLoading = false;
    }
  }

  #sign(log: GrowingLog): SignedCheckpoint {
    const { origin, signer } = this.#log;
    const checkpoint = { origin, size: log.size, root: log.root() };
    return { ...checkpoint, note: signCheckpoint(checkpoint, signer) };
  }

  /**
   * Keeps the last checkpoint of each minute; otherwise the table would grow by a row a second without limit. `at`: the tree contains everything
   * committed before. During a backlog it does not advance, so that a search by time misses nothing.
   */
  #checkpointWrites(
    { size, root, note }: SignedCheckpoint,
    at: number,
    digests: string,
  ): readonly Write[] {
    const { anchor } = this.#options;
    const state = anchor?.authenticateState(size, digests) ?? null;
    const put: Write = { table: 'log_checkpoints', put: { size, at, note, state } };
    const last = this.#checkpoint;
    const sameMinute = Math.floor(this.#checkpointAt / MINUTE_MS) === Math.floor(at / MINUTE_MS);
    const anchored = anchor?.write({ size, root });
    const writes = anchored === undefined ? [put] : [put, anchored];
    if (last === undefined || !sameMinute) return writes;
    return [{ table: 'log_checkpoints', remove: { size: last.size } }, ...writes];
  }
}
