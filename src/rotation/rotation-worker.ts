import { randomFraction, randomId } from '../crypto/random.ts';
import type { Parts } from '../broker/parts.ts';
import { SystemActor } from '../broker/recording/record.ts';
import { driveRotation, type Driver } from './drive-rotation.ts';
import { UNCLAIMED, changed, type RotationRow } from './rotation-row.ts';
import { nextDue, startDue } from './start-due.ts';
import { listAll } from '../broker/list-all.ts';
import { DueRotations } from './due-rotations.ts';

/** Rotations that one process carries on at the same time, whatever the connections. */
const MOST_RUNNING = 64;
/** What another process left is found this late at most. */
const LONGEST_SLEEP_MS = 10_000;
const SHORTEST_SLEEP_MS = 50;
const AFTER_FAILURE_MS = 1_000;
/** How soon a look goes on that was of so many rows that it was ended, and the longest until the next one. */
const LOOK_ON_MS = 1_000;
/** A look is followed by so many times its own time without one: while many wait and others begin, each would read all of them again. */
const LOOK_PAUSES = 20;
/** How long a connection is left alone that has as many as it may, by chance within that. */
const FULL_MS = 1_000;

/**
 * Begins what schedules say is due, and carries rotations on. Sleeps until the next thing is due: a round in which nothing is costs three look-ups
 * by index.
 */
export class Rotations {
  readonly #parts: Parts;
  readonly #driver: Driver;
  readonly #stopping = new AbortController();
  readonly #running = new Map<string, Promise<void>>();
  readonly #perConnection = new Map<string, number>();
  /** Connections of which other processes have all places, each with what ends the wait for one. */
  readonly #full = new Map<string, () => void>();
  readonly #due: DueRotations;
  #wake: () => void = () => undefined;
  #isRung = false;
  #lookAgainAt = 0;
  #unlisten: () => void = () => undefined;
  #loop: Promise<void> | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#due = new DueRotations(parts);
    this.#driver = {
      parts,
      owner: randomId('own'),
      actor: new SystemActor(parts, 'rotation'),
      signal: this.#stopping.signal,
    };
  }

  start(): void {
    if (this.#loop !== undefined) return;
    this.#unlisten = this.#parts.rotationsDue.listen(() => this.#ring());
    this.#loop = this.#run();
  }

  /** Steps under way are cut short and let go of; waits for them. */
  async stop(): Promise<void> {
    this.#stopping.abort(new Error('stopping'));
    this.#unlisten();
    for (const cancel of this.#full.values()) cancel();
    this.#ring();
    await this.#loop;
    await Promise.all(this.#running.values());
  }

  #ring(): void {
    this.#isRung = true;
    this.#wake();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      this.#isRung = false;
      let pause = AFTER_FAILURE_MS;
      try {
        const started = await startDue(this.#parts, this.#driver.actor);
        const isEarly = this.#parts.clock.monotonic() < this.#lookAgainAt;
        const isWhole = !isEarly && (await this.#look());
        this.#pump();
        if (started > 0) pause = SHORTEST_SLEEP_MS;
        else if (isEarly) pause = this.#lookAgainAt - this.#parts.clock.monotonic();
        else pause = isWhole ? await this.#untilNext() : LOOK_ON_MS;
      } catch (error) {
        this.#parts.log.error({ err: error }, 'a round of rotations failed; the next one goes on');
      }
      await this.#sleep(pause);
    }
  }

  async #look(): Promise<boolean> {
    const { clock } = this.#parts;
    const begun = clock.monotonic();
    const isWhole = await this.#due.look();
    const end = clock.monotonic();
    this.#lookAgainAt = end + Math.min((end - begun) * LOOK_PAUSES, LOOK_ON_MS);
    return isWhole;
  }

  async #sleep(ms: number): Promise<void> {
    if (this.#isRung) return;
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const cancel = this.#parts.clock.after(ms, () => resolve(undefined));
    this.#wake = () => resolve(undefined);
    await promise;
    cancel();
  }

  /** Until the next schedule or rotation is due. What is due now but waits for a free place is taken as places become free. */
  async #untilNext(): Promise<number> {
    const { store, clock } = this.#parts;
    const [next] = await store.list('rotations', {
      from: { next_attempt_at: clock.now() + 1 },
      orderBy: ['next_attempt_at'],
      limit: 1,
    });
    const times = [next?.next_attempt_at ?? Infinity, (await nextDue(this.#parts)) ?? Infinity];
    const at = Math.min(...times);
    return Math.max(SHORTEST_SLEEP_MS, Math.min(LONGEST_SLEEP_MS, at - clock.now()));
  }

  /** Takes up what is due; each connection within its cap, so that a slow one keeps no other waiting. */
  #pump(): void {
    while (this.#running.size < MOST_RUNNING && !this.#stopping.signal.aborted) {
      const row = this.#due.take((connection) => this.#underWay(connection));
      if (row === undefined) return;
      if (!this.#running.has(row.id)) this.#drive(row);
    }
  }

  /** How many are carried on there; undefined where there may be no more. */
  #underWay(connection: string): number | undefined {
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
      if (outcome === 'full') this.#leaveAlone(connection);
      // Another takes the place; where none waits, the end may have made a schedule due.
      this.#pump();
      if (outcome === 'driven' && this.#due.isUsedUp(connection)) this.#ring();
    });
    this.#running.set(id, work);
  }

  /** Nobody says when another process is done: it is looked at again. */
  #leaveAlone(connection: string): void {
    if (this.#full.has(connection) || this.#stopping.signal.aborted) return;
    const again = (): void => {
      this.#full.delete(connection);
      this.#ring();
    };
    this.#full.set(connection, this.#parts.clock.after(FULL_MS * randomFraction(), again));
  }
}

/** After a start with a store of our own no rotation is being carried on: what a crash left claimed is due at once. */
export async function adoptRotations(parts: Parts): Promise<void> {
  const now = parts.clock.now();
  for (const state of ['running', 'undoing'] as const) {
    for await (const row of listAll(parts.store, 'rotations', { equals: { state } }, idOf)) {
      if (row.owner === null) continue;
      const { id, epoch } = row;
      await parts.store.commit({
        expect: [{ table: 'rotations', key: { id }, match: { epoch } }],
        writes: [changed(id, { ...UNCLAIMED, next_attempt_at: now })],
      });
    }
  }
}

function idOf({ id }: RotationRow): { readonly id: string } {
  return { id };
}
