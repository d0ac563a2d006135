import type { RowMacs } from '../../crypto/signatures/row-mac.ts';
import type { Store } from '../../ports/store.ts';
import type { Tables } from '../../ports/tables.ts';
import { BrokerError } from '../../domain/errors.ts';

type Row = Tables['sink_cursors'];

/**
 * The position from which a sink continues. `forged`: none of the broker's keys authenticates the row, so the sink gets the log from its
 * beginning.
 */
export interface SinkPosition {
  readonly next: number;
  readonly forged: boolean;
  /** The sink has no cursor yet. */
  readonly isNew: boolean;
}

/** The position of each sink, under the row MAC: an attacker who writes the database cannot make a sink skip entries. */
export class SinkCursors {
  readonly #store: Store;
  readonly #rows: RowMacs;

  constructor(store: Store, rows: RowMacs) {
    this.#store = store;
    this.#rows = rows;
  }

  /** `size` of the log: a cursor beyond it belongs to another log. A sink without a cursor of ours begins at `start`. */
  async read(sink: string, size: number, start = 0): Promise<SinkPosition> {
    const row = await this.#store.get('sink_cursors', { sink });
    if (row === undefined) return { next: start, forged: false, isNew: true };
    const isOurs = this.#isOurs(row) && row.next_index <= size;
    return { next: isOurs ? row.next_index : start, forged: !isOurs, isNew: false };
  }

  /** Moves the cursor. A sealed broker has no key for the MAC, so its cursor does not move, and the next start repeats the entries sent meanwhile. */
  async move(sink: string, next_index: number): Promise<void> {
    const put = this.#rowOf(sink, next_index);
    if (put !== undefined) await this.#store.commit({ writes: [{ table: 'sink_cursors', put }] });
  }

  #rowOf(sink: string, next_index: number): Row | undefined {
    try {
      return { sink, next_index, mac: this.#rows.mac('sink_cursors', { sink, next_index }) };
    } catch (error) {
      if (error instanceof BrokerError && error.code === 'ERR_SEALED') return undefined;
      throw error;
    }
  }

  #isOurs({ sink, next_index, mac }: Row): boolean {
    if (mac === null) return false;
    try {
      this.#rows.verify('sink_cursors', { sink, next_index }, mac);
      return true;
    } catch (error) {
      if (error instanceof BrokerError && error.code === 'ERR_CIPHERTEXT_INVALID') return false;
      throw error;
    }
  }
}
