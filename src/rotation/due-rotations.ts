import type { Storage } from '../broker/state/dependencies.ts';
import type { RotationRow } from './rotation-row.ts';
import { ROTATIONS } from '../ports/queries.ts';

const CHUNK = 500;
const MOST_READ = 5_000;
/** Limit for each connection, so that a backlog at one neither fills the memory nor hides the others. */
const MOST_KEPT = 500;

/**
 * Due rotations, a bounded number for each connection, oldest first. One poll reads a bounded number of rows; the next poll continues where it
 * stopped, until all were read.
 */
export class DueRotations {
  readonly #parts: Storage;
  #kept = new Map<string, RotationRow[]>();
  /** Connections with more due rotations than are kept. */
  #cut = new Set<string>();
  #after: RotationRow | undefined;

  constructor(parts: Storage) {
    this.#parts = parts;
  }

  /** @returns whether all due rows were read. */
  async poll(): Promise<boolean> {
    const { store, clock } = this.#parts;
    const due = ROTATIONS.due(clock.now());
    for (let read = 0; read < MOST_READ; read += CHUNK) {
      const rows: readonly RotationRow[] = await store.list(due, {
        limit: CHUNK,
        after: this.#after,
      });
      if (this.#after === undefined) this.#forget();
      for (const row of rows) this.#keep(row);
      this.#after = rows.length < CHUNK ? undefined : rows.at(-1);
      if (this.#after === undefined) return true;
    }
    return false;
  }

  /**
   * The next rotation to work on: at the connection with the fewest in progress, so that connections with a backlog do not share
   * all slots of the process among themselves; then the one that waited longest. `inProgress`: their number; undefined if the
   * connection has no free place.
   */
  take(inProgress: (connection: string) => number | undefined): RotationRow | undefined {
    let next: Candidate | undefined;
    for (const rows of this.#kept.values()) {
      const [row] = rows;
      const busy = row && inProgress(row.connection);
      if (row === undefined || busy === undefined) continue;
      const candidate = { rows, busy, since: row.next_attempt_at ?? 0 };
      if (next === undefined || isBefore(candidate, next)) next = candidate;
    }
    const row = next?.rows.shift();
    if (row !== undefined && next?.rows.length === 0) this.#kept.delete(row.connection);
    return row;
  }

  /** Reports whether a poll would find more than is kept: at this connection, or anywhere if nothing is kept. */
  isExhausted(connection: string): boolean {
    return this.#kept.size === 0 || (this.#cut.has(connection) && !this.#kept.has(connection));
  }

  #forget(): void {
    this.#kept = new Map();
    this.#cut = new Set();
  }

  #keep(row: RotationRow): void {
    const { connection } = row;
    const rows = this.#kept.get(connection) ?? [];
    if (rows.length === MOST_KEPT) {
      this.#cut.add(connection);
      return;
    }
    rows.push(row);
    this.#kept.set(connection, rows);
  }
}

interface Candidate {
  readonly rows: RotationRow[];
  readonly busy: number;
  readonly since: number;
}

function isBefore(left: Candidate, right: Candidate): boolean {
  return left.busy < right.busy || (left.busy === right.busy && left.since < right.since);
}
