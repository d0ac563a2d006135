import type {
  AcceptValues,
  AuditQuery,
  LogEntry,
  LogPage,
  RecordedValue,
} from '../../ports/audit-log.ts';
import { setImmediate as loopTurn } from 'node:timers/promises';
import { TILE_WIDTH } from '../../crypto/log/tiles.ts';
import { BrokerError } from '../../domain/errors.ts';
import type { PageRequest } from '../../domain/page.ts';
import type { ArchivedLog } from './archived-log.ts';
import type { RowReader } from '../../ports/store.ts';
import { candidatesBelow } from './bundle-candidates.ts';
import { BundleRows } from './bundle-rows.ts';
import { DamagedLog } from './log-damage.ts';
import type { ProvenMatches } from './proven-entries.ts';
import { matches, queryPairs, queryTerms, textFilter } from './entry-query.ts';
import { LOG } from '../../ports/queries.ts';
import type { Candidates, WantedText } from '../records/stored-batches.ts';
import { member, scanEntry, type EntryScan } from './entry-scan.ts';
import type { SearchTerm } from '../records/search-term.ts';

/** The query, with the optional check of values. */
type Wanted = AuditQuery & { readonly accepts?: AcceptValues | undefined };

/** The log that the search reads. */
export interface SearchedLog {
  readonly store: RowReader;
  /** Entries that the checkpoint covers. */
  readonly size: number;
  readonly archived: ArchivedLog;
  /** The first entry that is not archived. */
  readonly live: number;
  /** Once it is aborted, the search ends with the page that it has. */
  readonly signal?: AbortSignal | undefined;
  /** The entries of a part of a bundle that may match, each proven, and the damage. */
  read(candidates: Candidates<BundleRows>): Promise<ProvenMatches>;
}

/** A page stops after this many read bundles, with or without matches; the cursor continues from there. The index selects bundles, so only
 * combinations of filters that are frequent each and rare together need so many. */
const MOST_BUNDLES = 1_024;
const CURSOR = /^(?:0|[1-9][0-9]{0,15})$/;

/** The search continues below this index. */
function startOf(after: string | undefined, size: number): number {
  if (after === undefined) return size;
  if (!CURSOR.test(after)) throw new BrokerError('ERR_REQUEST_INVALID', 'the cursor is not valid');
  return Math.min(size, Number(after));
}

/** An entry may be older than its commit by a request's duration, and replicas' clocks differ by minutes at most. */
const SLACK_MS = 300_000;

/**
 * Index bounds from the times of checkpoints. At the time `at` of a checkpoint, everything committed before was in the tree, so entries at or beyond
 * its size are younger. Entries below the size of a checkpoint with an earlier `at` are older than `at`.
 */
async function timeBounds(
  store: RowReader,
  { from, to }: AuditQuery,
): Promise<{ readonly lowest: number; readonly highest: number }> {
  const lowest = from === undefined ? 0 : await sizeBefore(store, from - SLACK_MS);
  if (to === undefined) return { lowest, highest: Number.POSITIVE_INFINITY };
  const [after] = await store.list(LOG.checkpointsFrom(to + SLACK_MS), { limit: 1 });
  return { lowest, highest: after?.size ?? Number.POSITIVE_INFINITY };
}

/** The number of the first entries that are certainly older than the time; 0 if that is not known. */
export async function sizeBefore(store: RowReader, time: number): Promise<number> {
  const last = await lastCheckpoint(store, time);
  const earlier = last === undefined ? undefined : await lastCheckpoint(store, last.at - 1);
  return earlier?.size ?? 0;
}

async function lastCheckpoint(
  store: RowReader,
  at: number,
): Promise<{ readonly size: number; readonly at: number } | undefined> {
  const [row] = await store.list(LOG.checkpointsBefore(at), { limit: 1 });
  return row;
}

class Search {
  readonly #log: SearchedLog;
  readonly #query: Wanted;
  readonly #terms: readonly SearchTerm[];
  readonly #pairs: readonly number[];
  readonly #wanted: WantedText;
  readonly #limit: number;
  readonly #rows: BundleRows;
  readonly found: LogEntry[] = [];
  #bundlesLeft = MOST_BUNDLES;
  /** Lowest index that was searched. */
  position: number;

  constructor(log: SearchedLog, query: Wanted, limit: number, position: number) {
    this.#log = log;
    this.#query = query;
    this.#terms = queryTerms(query);
    this.#pairs = queryPairs(query, this.#terms);
    this.#wanted = textFilter(query, this.#terms);
    this.#limit = limit;
    this.#rows = new BundleRows(log.store);
    this.position = position;
  }

  /** Searches newest first, down to `lowest` or to the limit of one page. */
  async run(lowest: number): Promise<void> {
    while (this.position > lowest) {
      const top = Math.floor((this.position - 1) / TILE_WIDTH);
      const { from, to } = this.#query;
      const wanted = { terms: this.#terms, pairs: this.#pairs, from, to };
      const candidates = await candidatesBelow(this.#log.store, wanted, top);
      if (candidates === undefined) {
        this.position = 0;
        return;
      }
      if (!(await this.#readAll(candidates.bundles, lowest))) return;
      this.position = Math.min(this.position, candidates.group * TILE_WIDTH);
      if (this.#log.signal?.aborted === true) return;
      // Many groups may have no candidate, so other requests are answered in between.
      await loopTurn();
    }
  }

  /** False if the page is full or the search must end. */
  async #readAll(bundles: readonly number[], lowest: number): Promise<boolean> {
    for (const [place, bundle] of bundles.entries()) {
      if ((bundle + 1) * TILE_WIDTH <= lowest) return true;
      if (this.#bundlesLeft === 0) return false;
      this.#bundlesLeft -= 1;
      await this.#rows.load(bundles, place);
      if (!(await this.#readBundle(bundle)) || this.#log.signal?.aborted === true) return false;
    }
    return true;
  }

  /** The entries that match, by index. */
  async #filter(entries: ReadonlyMap<number, string>): Promise<ReadonlyMap<number, string>> {
    const { accepts } = this.#query;
    const found: [number, string][] = [];
    const values: { index: number; entry: string; value: RecordedValue }[] = [];
    for (const [index, entry] of entries) {
      const scan = scanEntry(entry);
      if (scan === undefined || !matches(entry, scan, this.#query, this.#terms)) continue;
      found.push([index, entry]);
      const value = accepts && valueIn(entry, scan);
      if (value !== undefined) values.push({ index, entry, value });
    }
    if (accepts === undefined) return new Map(found);
    if (values.length === 0) return new Map();
    const accepted = await accepts(values.map(({ value }) => value));
    return new Map(
      values.filter((_, at) => accepted[at]).map(({ index, entry }) => [index, entry]),
    );
  }

  async #readBundle(bundle: number): Promise<boolean> {
    const start = bundle * TILE_WIDTH;
    const end = Math.min(this.position, start + TILE_WIDTH);
    const [wanted, rows] = [this.#wanted, this.#rows];
    const { entries, damage } = await this.#log.read({ start, end, wanted, rows });
    // A page reads many bundles, so other requests are answered in between.
    await loopTurn();
    const found = await this.#filter(entries);
    const damaged = new Map(damage.map((range) => [Math.min(end, range.end) - 1, range]));
    for (const index of [...found.keys(), ...damaged.keys()].toSorted((a, b) => b - a)) {
      const range = damaged.get(index);
      if (range !== undefined) {
        this.position = index + 1;
        // A page ends above the damage; the next one begins with it.
        if (this.found.length > 0) return false;
        throw new DamagedLog(range);
      }
      const entry = found.get(index);
      this.position = index;
      if (entry !== undefined) this.found.push({ index, entry });
      if (this.found.length === this.#limit) return false;
    }
    this.position = start;
    return true;
  }
}

/** The value that the entry is about; undefined if it is about none. */
function valueIn(entry: string, { path, rareTerms }: EntryScan): RecordedValue | undefined {
  const fingerprint = rareTerms.find(({ kind }) => kind === 'fingerprint')?.term;
  if (path === undefined || fingerprint === undefined) return undefined;
  const fields = member(entry, 'fieldFingerprints') ?? '';
  return { path: decoded(path), fingerprint: decoded(fingerprint), fields };
}

/** Decodes the text between two quotes of an entry, which is ASCII. */
function decoded(text: string): string {
  return text.includes('\\') ? (JSON.parse(`"${text}"`) as string) : text;
}

/**
 * Matching entries of the live log, newest first. A page is full or the last one, unless the search read `MOST_BUNDLES` or had to end: such a page
 * may even be empty and still have a `next`. It covers at least one bundle or group, so that the next page begins below it.
 * @throws ERR_REQUEST_INVALID for an invalid cursor; DamagedLog for an entry that does not verify: its index is a cursor that continues the search
 * below the damage.
 */
export async function searchEntries(
  log: SearchedLog,
  query: Wanted,
  page: PageRequest,
): Promise<LogPage> {
  const bounds = await timeBounds(log.store, query);
  const lowest = Math.max(bounds.lowest, log.live);
  const start = Math.min(startOf(page.after, log.size), bounds.highest);
  const search = new Search(log, query, page.limit, start);
  await search.run(lowest);
  const { found, position } = search;
  if (position > lowest) return { items: found, next: String(position) };
  const archived = await log.archived.part(bounds.lowest, Math.min(log.live, start));
  return { items: found, ...(archived && { archived }) };
}
