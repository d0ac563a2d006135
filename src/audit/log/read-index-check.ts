import type { Store, Write } from '../../ports/store.ts';
import type { Tables } from '../../ports/tables.ts';
import { COVERAGE_KEY, parseCoverage, type Coverage } from './read-index.ts';
import { KEPT_MS } from './read-index-upkeep.ts';
import { releaseIn } from './reader.ts';

type Row = Tables['log_reads'];

/** Readers that are gone are folded after `KEPT_MS`, also while a walk takes days. */
const CHECKED_MS = KEPT_MS - 7 * 86_400_000;
/** Rows that one walk remembers. Above it, rows are read again. */
const MOST_ROWS = 20_000;

/** Compares the read index with the entries of the log, in the order of the log. */
export class ReadIndexCheck {
  readonly #store: Store;
  readonly #oldest: number;
  readonly #rows = new Map<string, Row>();
  #coverage: Promise<Coverage | undefined> | undefined;

  constructor(store: Store, now: number) {
    this.#store = store;
    this.#oldest = now - CHECKED_MS;
  }

  /**
   * Checks the proven entries from `start` on. A late time of a last read is corrected. If a row is missing or wrong, the index is built again.
   * @returns whether the index has every release of these entries
   */
  async take(start: number, entries: readonly (string | undefined)[]): Promise<boolean> {
    const coverage = await (this.#coverage ??= this.#readCoverage());
    if (coverage === undefined) return true;
    for (const [i, entry] of entries.entries()) {
      const index = start + i;
      if (entry === undefined || index < coverage.first || index >= coverage.end) continue;
      const found = releaseIn(index, entry);
      if (found === undefined || found.release.at < this.#oldest) continue;
      if (await this.#isIndexed(found.reader.key, found.release)) continue;
      await this.#store.commit({ writes: [{ table: 'meta', remove: { key: COVERAGE_KEY } }] });
      this.#coverage = Promise.resolve(undefined);
      return false;
    }
    return true;
  }

  async #readCoverage(): Promise<Coverage | undefined> {
    return parseCoverage((await this.#store.get('meta', { key: COVERAGE_KEY }))?.value);
  }

  async #isIndexed(
    reader: string,
    { path, index, at }: { readonly path: string; readonly index: number; readonly at: number },
  ): Promise<boolean> {
    const name = `${reader} ${path}`;
    const known = this.#rows.get(name);
    if (known !== undefined && index <= known.last_index) return true;
    const row = await this.#store.get('log_reads', { reader, path });
    if (row === undefined || row.first_index > index) return false;
    if (this.#rows.size >= MOST_ROWS) this.#rows.clear();
    this.#rows.set(name, row);
    if (index > row.last_index) await this.#correct(row, index, at);
    return true;
  }

  /** A process that was killed had not written the last reads of busy pods. */
  async #correct({ reader, path, last_index }: Row, index: number, at: number): Promise<void> {
    const key = { reader, path };
    const write: Write = { table: 'log_reads', key, change: { last_index: index, last_at: at } };
    const expect = [{ table: 'log_reads' as const, key, match: { last_index } }];
    await this.#store.commit({ expect, writes: [write] });
  }
}
