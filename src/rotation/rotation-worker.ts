import { randomFraction, randomId } from '../crypto/random/random.ts';
import type { Storage } from '../broker/state/dependencies.ts';
import { SystemActor } from '../broker/recording/record.ts';
import { driveRotation, type Driver, type EngineParts } from './drive-rotation.ts';
import { UNCLAIMED, rotationUpdate, type RotationRow } from './rotation-row.ts';
import { nextDue, startDue } from './start-due.ts';
import { listAll } from '../broker/kernel/list-all.ts';
import { DueRotations } from './due-rotations.ts';
import { ROTATIONS } from '../ports/queries.ts';
import { RepeatedWork } from '../ports/repeated-work.ts';

/** Rotations that one process works on at the same time, at all connections together. */
const MOST_RUNNING = 64;
/** A rotation that another process left is found after this time at the latest. */
const LONGEST_SLEEP_MS = 10_000;
const SHORTEST_SLEEP_MS = 50;
const AFTER_FAILURE_MS = 1_000;
/** Pause after which a poll that stopped at its bound continues, and the longest pause between polls of a busy worker. */
const POLL_AGAIN_MS = 1_000;
/** The pause after a poll, in multiples of its duration: with a long queue, each started rotation would otherwise read the whole queue again. */
const POLL_PAUSES = 20;
/** A connection at its cap is checked again after a random part of this time. */
const FULL_MS = 1_000;

/**
 * Starts scheduled rotations and runs the steps of due ones. Sleeps until the next due time; a round without work costs three index look-ups.
 */
export class RotationWorker {
  readonly #parts: EngineParts;
  readonly #driver: Driver;
  readonly #rounds: RepeatedWork;
  readonly #running = new Map<string, Promise<void>>();
  readonly #perConnection = new Map<string, number>();
  /** Connections at their cap in other processes, each with the function that cancels its pause. */
  readonly #full = new Map<string, () => void>();
  readonly #due: DueRotations;
  #pollAgainAt = 0;
  #unlisten: (() => void) | undefined;

  constructor(parts: EngineParts) {
    this.#parts = parts;
    this.#due = new DueRotations(parts);
    this.#rounds = new RepeatedWork({
      clock: parts.clock,
      run: () => this.#round(),
      onError: (error) => {
        parts.log.error(
          { err: error },
          'a round of the rotation worker failed; the next round retries',
        );
        return AFTER_FAILURE_MS;
      },
    });
    this.#driver = {
      parts,
      owner: randomId('own'),
      actor: new SystemActor(parts, 'rotation'),
      signal: this.#rounds.signal,
    };
  }

  start(): void {
    if (this.#unlisten !== undefined) return;
    this.#unlisten = this.#parts.rotationsDue.listen(() => this.#ring());
    this.#ring();
  }

  /** Cancels the steps in progress, gives their claims up, and waits for them. */
  async stop(): Promise<void> {
    const stopped = this.#rounds.stop(new Error('stopping'));
    this.#unlisten?.();
    for (const cancel of this.#full.values()) cancel();
    await stopped;
    await Promise.all(this.#running.values());
  }

  #ring(): void {
    void this.#rounds.runNow();
  }

  /** @returns the pause before the next round. */
  async #round(): Promise<number> {
    const { clock } = this.#parts;
    const started = await startDue(this.#parts, this.#driver.actor);
    const isEarly = clock.monotonic() < this.#pollAgainAt;
    const isWhole = !isEarly && (await this.#poll());
    this.#pump();
    if (started > 0) return SHORTEST_SLEEP_MS;
    if (isEarly) return this.#pollAgainAt - clock.monotonic();
    return isWhole ? this.#untilNext() : POLL_AGAIN_MS;
  }

  async #poll(): Promise<boolean> {
    const { clock } = this.#parts;
    const begun = clock.monotonic();
    const isWhole = await this.#due.poll();
    const end = clock.monotonic();
    this.#pollAgainAt = end + Math.min((end - begun) * POLL_PAUSES, POLL_AGAIN_MS);
    return isWhole;
  }

  /**
   * Computes the milliseconds until the next schedule or rotation is due. Due rotations without a free slot are taken as slots
   * become free.
   */
  async #untilNext(): Promise<number> {
    const { store, clock } = this.#parts;
    const [next] = await store.list(ROTATIONS.next(clock.now() + 1), { limit: 1 });
    const times = [next?.next_attempt_at ?? Infinity, (await nextDue(this.#parts)) ?? Infinity];
    const at = Math.min(...times);
    return Math.max(SHORTEST_SLEEP_MS, Math.min(LONGEST_SLEEP_MS, at - clock.now()));
  }

  /** Starts work on due rotations, each connection within its cap, so that a slow one does not delay the others. */
  #pump(): void {
    while (this.#running.size < MOST_RUNNING && !this.#rounds.signal.aborted) {
      const row = this.#due.take((connection) => this.#inProgress(connection));
      if (row === undefined) return;
      if (!this.#running.has(row.id)) this.#drive(row);
    }
  }

  /** Counts the rotations in progress there; undefined if the connection is at its cap. */
  #inProgress(connection: string): number | undefined {
    const busy = this.#perConnection.get(connection) ?? 0;
    const most = this.#parts.targets.concurrency(connection);
    return busy < most && !this.#full.has(connection) ? busy : undefined;
  }

  #drive(row: RotationRow): void {
    const { id, connection } = row;
    const count = (by: number): void => {
      this.#perConnection.set(connection, (this.#perConnection.get(connection) ?? 0) + by);
    };
    count(1);
    const work = driveRotation(this.#driver, row).then((outcome) => {
      count(-1);
      this.#running.delete(id);
      if (outcome === 'full') this.#pauseConnection(connection);
      // The next one takes the slot; if none waits, the end may have made a schedule due.
      this.#pump();
      if (outcome === 'driven' && this.#due.isExhausted(connection)) this.#ring();
    });
    this.#running.set(id, work);
  }

  /** Other processes do not announce a free slot, so the worker polls the connection after a pause. */
  #pauseConnection(connection: string): void {
    if (this.#full.has(connection) || this.#rounds.signal.aborted) return;
    const again = (): void => {
      this.#full.delete(connection);
      this.#ring();
    };
    this.#full.set(connection, this.#parts.clock.after(FULL_MS * randomFraction(), again));
  }
}

/**
 * Frees claims that a crash left, so that they are due at once. If no other process can share the store, no other process works
 * on a rotation when the broker starts.
 */
export async function freeCrashedClaims(parts: Storage): Promise<void> {
  const now = parts.clock.now();
  for (const state of ['running', 'undoing'] as const) {
    for await (const row of listAll(parts.store, ROTATIONS.inState(state))) {
      if (row.owner === null) continue;
      const { id, epoch } = row;
      await parts.store.commit({
        expect: [{ table: 'rotations', key: { id }, match: { epoch } }],
        writes: [rotationUpdate(id, { ...UNCLAIMED, next_attempt_at: now })],
      });
    }
  }
}
