import type { Parts } from '../broker/parts.ts';
import type { RotationRow } from './rotation-row.ts';

const CHUNK = 500;
const MOST_LOOKED_AT = 5_000;
/** Of each connection, so that a backlog at one is no memory full of rows, and hides nobody behind it. */
const MOST_KEPT = 500;

/**
 * Rotations that are due, some of each connection, the oldest first. However many are due, one look is of a bounded number of rows; the next one
 * goes on where it ended, until all were seen.
 */
export class DueRotations {
  readonly #parts: Pick<Parts, 'store' | 'clock'>;
  #kept = new Map<string, RotationRow[]>();
  /** Connections of which more is due than is kept. */
  #cut = new Set<string>();
  #after: Partial<RotationRow> | undefined;

  constructor(parts: Pick<Parts, 'store' | 'clock'>) {
    this.#parts = parts;
  }

  /** @returns whether all that is due has been looked at. */
  async look(): Promise<boolean> {
    const { store, clock } = this.#parts;
    const upTo = { next_attempt_at: clock.now() };
    for (let looked = 0; looked < MOST_LOOKED_AT; looked += CHUNK) {
      const rows: readonly RotationRow[] = await store.list('rotations', {
        upTo,
        orderBy: ['next_attempt_at'],
        limit: CHUNK,
        ...(this.#after === undefined ? {} : { after: this.#after }),
      });
      if (this.#after === undefined) this.#forget();
      for (const row of rows) this.#keep(row);
      const last = rows.length < CHUNK ? undefined : rows.at(-1);
      this.#after = last && { next_attempt_at: last.next_attempt_at, id: last.id };
      if (last === undefined) return true;
    }
    return false;
  }

  /**
   * The next to be carried on: of the connections that have a free place, where the fewest are under way, so that those with a backlog do not keep all
   * places of the process among them; then the one that has waited longest. `underWay`: how many; undefined where no place is free.
   */
  take(underWay: (connection: string) => number | undefined): RotationRow | undefined {
    let next: Candidate | undefined;
    for (const rows of this.#kept.values()) {
      const [row] = rows;
      const busy = row && underWay(row.connection);
      if (row === undefined || busy === undefined) continue;
      const candidate = { rows, busy, since: row.next_attempt_at ?? 0 };
      if (next === undefined || isBefore(candidate, next)) next = candidate;
    }
    const row = next?.rows.shift();
    if (row !== undefined && next?.rows.length === 0) this.#kept.delete(row.connection);
    return row;
  }

  /** Whether a look would find more than is kept: at this connection, or at any where nothing is kept. */
  isUsedUp(connection: string): boolean {
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
