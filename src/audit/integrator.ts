import { setImmediate as loopTurn } from 'node:timers/promises';
import { signCheckpoint } from '../crypto/checkpoint.ts';
import { EMPTY_ROOT } from '../crypto/merkle.ts';
import { BrokerError } from '../domain/errors.ts';
import type { Clock } from '../ports/clock.ts';
import type { Store, Write } from '../ports/store.ts';
import type { CheckpointFile } from './checkpoint-file.ts';
import { giveUpClaim, isHeld, takeClaim, type Claim } from './claim.ts';
import { leafHashes } from './entry.ts';
import type { LogIdentity } from './log-identity.ts';
import { heldReason, openLog, type HeldReason, type OpenedLog } from './opened-log.ts';
import { PendingBatches, type BrokenChain, type CheckedBatch } from './pending-batches.ts';
import { storedCheckpoint, type SignedCheckpoint } from './stored-tree.ts';

export interface IntegratorOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: LogIdentity;
  readonly checkpointFile: CheckpointFile;
  /** Names this process in the claim: its writer id. */
  readonly owner: string;
  /** No other process can have this store open. */
  readonly alone: boolean;
  readonly intervalMs?: number;
  /** A round failed: for the log and an alarm. The next round begins anew from the store. */
  readonly onError?: (error: unknown) => void;
}

export interface IntegratorStatus {
  /** `standby`: another process integrates. `held`: see `held`; nothing is appended. */
  readonly state: 'stopped' | 'standby' | 'active' | 'held';
  readonly held: HeldReason | undefined;
  /** Entries in the tree of the last checkpoint. */
  readonly size: number;
  /** Milliseconds since the epoch of the last round that found nothing left to do. */
  readonly caughtUpAt: number | undefined;
  /** Chains that do not hold: tampering or damage between commit and integration. */
  readonly broken: readonly BrokenChain[];
}

const INTERVAL_MS = 250;
const MINUTE_MS = 60_000;

interface Session {
  readonly log: OpenedLog;
  readonly pending: PendingBatches;
}

/**
 * Appends what writers committed to the one Merkle tree, indexes it and signs a checkpoint: within a second, in turns of about
 * five hundred entries so that nobody waits for it. All of a turn is one plan, so the stored tree is whole at every instant.
 */
export class Integrator {
  readonly #options: IntegratorOptions;
  #state: IntegratorStatus['state'] = 'stopped';
  #held: HeldReason | undefined;
  #claim: Claim | undefined;
  #session: Session | undefined;
  #checkpoint: SignedCheckpoint | undefined;
  #checkpointAt = 0;
  #caughtUpAt: number | undefined;
  #cancel: () => void = () => undefined;
  #round: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(options: IntegratorOptions) {
    this.#options = options;
  }

  status(): IntegratorStatus {
    return {
      state: this.#state,
      held: this.#held,
      size: this.#checkpoint?.size ?? 0,
      caughtUpAt: this.#caughtUpAt,
      broken: this.#session?.pending.broken() ?? [],
    };
  }

  /** Compares the store with the checkpoint outside it, then works until `close`. Resolves once it is known whether the store is held. */
  async start(): Promise<IntegratorStatus> {
    const { store, log, checkpointFile } = this.#options;
    this.#held = await heldReason(store, log, checkpointFile);
    this.#state = this.#held === undefined ? 'standby' : 'held';
    if (this.#held === undefined) {
      this.#checkpoint = await storedCheckpoint(store, log.verifier);
      // Before the store has a checkpoint: a crash between the first of both would look like a checkpoint gone.
      if (this.#checkpoint === undefined) await checkpointFile.write(this.#emptyNote());
      this.#schedule();
    }
    return this.status();
  }

  /** An operator vouches for a held store as it is: its checkpoint, if it has one, replaces the one outside. A damaged log stays held. */
  async release(): Promise<IntegratorStatus> {
    const { store, log, checkpointFile } = this.#options;
    if (this.#state !== 'held' || this.#held === 'log_damaged') return this.status();
    const checkpoint = await storedCheckpoint(store, log.verifier);
    await checkpointFile.write(checkpoint?.note ?? this.#emptyNote());
    return this.start();
  }

  #emptyNote(): string {
    const { origin, signer } = this.#options.log;
    return signCheckpoint({ origin, size: 0, root: EMPTY_ROOT }, signer);
  }

  /** One round now: resolves when everything committed before the call is in the tree, if this process integrates. */
  async integrate(): Promise<void> {
    this.#round = this.#round.then(() => this.#runRound());
    await this.#round;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#cancel();
    await this.#round;
    if (this.#state === 'active') await this.#giveUp();
    this.#state = 'stopped';
  }

  async #giveUp(): Promise<void> {
    const { store, onError } = this.#options;
    try {
      if (this.#claim !== undefined) await giveUpClaim(store, this.#claim);
    } catch (error) {
      onError?.(error);
    }
  }

  #schedule(): void {
    if (this.#closed) return;
    this.#cancel = this.#options.clock.after(this.#options.intervalMs ?? INTERVAL_MS, () => {
      void this.integrate().then(() => this.#schedule());
    });
  }

  async #runRound(): Promise<void> {
    if (this.#closed || this.#state === 'held' || this.#state === 'stopped') return;
    try {
      await this.#work();
    } catch (error) {
      this.#session = undefined;
      if (error instanceof BrokerError && error.code === 'ERR_CIPHERTEXT_INVALID') {
        this.#state = 'held';
        this.#held = 'log_damaged';
      }
      this.#options.onError?.(error);
    }
  }

  async #work(): Promise<void> {
    const { store, clock, owner, alone } = this.#options;
    this.#claim = await takeClaim(store, clock, owner, alone);
    this.#state = this.#claim === undefined ? 'standby' : 'active';
    if (this.#claim === undefined) {
      this.#session = undefined;
      return;
    }
    this.#session ??= await this.#open();
    while (await this.#turn(this.#session, this.#claim)) await loopTurn();
    this.#caughtUpAt = clock.now();
  }

  async #open(): Promise<Session> {
    const { store, log, clock } = this.#options;
    const opened = await openLog(store, log);
    this.#checkpoint = opened.checkpoint;
    return { log: opened, pending: new PendingBatches(store, log.verifier.key, clock) };
  }

  /** Whether more is waiting. */
  async #turn({ log, pending }: Session, claim: Claim): Promise<boolean> {
    const begun = this.#options.clock.now();
    const batches = await pending.next();
    if (batches.length === 0) return false;
    const writes: Write[] = [];
    for (const batch of batches) writes.push(append(log, batch));
    const checkpoint = this.#sign(log);
    const at = pending.drained ? begun : this.#checkpointAt;
    writes.push(...log.tree.takeWrites(), ...log.index.takeWrites());
    writes.push(...this.#checkpointWrites(checkpoint, at));
    const outcome = await this.#options.store.commit({ expect: [isHeld(claim)], writes });
    if (outcome.status !== 'committed') throw new BrokerError('ERR_CONFLICT', 'claim lost');
    this.#checkpoint = checkpoint;
    this.#checkpointAt = at;
    await this.#options.checkpointFile.write(checkpoint.note);
    return !pending.drained;
  }

  #sign({ tree }: OpenedLog): SignedCheckpoint {
    const { origin, signer } = this.#options.log;
    const checkpoint = { origin, size: tree.size, root: tree.root() };
    return { ...checkpoint, note: signCheckpoint(checkpoint, signer) };
  }

  /**
   * Keeps the last checkpoint of each minute, without which there would be a row a second for ever. `at`: all that was committed
   * before is in the tree; behind a backlog it stays where it was, so that a search by time misses nothing.
   */
  #checkpointWrites({ size, note }: SignedCheckpoint, at: number): readonly Write[] {
    const put: Write = { table: 'log_checkpoints', put: { size, at, note } };
    const last = this.#checkpoint;
    const sameMinute = Math.floor(this.#checkpointAt / MINUTE_MS) === Math.floor(at / MINUTE_MS);
    if (last === undefined || !sameMinute) return [put];
    return [{ table: 'log_checkpoints', remove: { size: last.size } }, put];
  }
}

/** Adds a batch's entries to tree and index; returns the row that says where they are. */
function append({ tree, index }: OpenedLog, { batch, entries }: CheckedBatch): Write {
  const { writer, first_seq, count } = batch;
  const first_index = tree.size;
  const leaves = leafHashes(batch.entries);
  leaves.forEach((leaf, i) => {
    index.add(first_index + i, entries[i] ?? '');
    tree.append(leaf);
  });
  return { table: 'log_segments', put: { first_index, writer, first_seq, count } };
}
