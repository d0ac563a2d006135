import { LOG_READS } from '../../ports/queries.ts';
import type { Expectation, RowReader, Write } from '../../ports/store.ts';
import type { Tables } from '../../ports/tables.ts';
import type { Reader, Release } from './reader.ts';

/** The row of `meta` that names the entries whose reads have rows: `<first> <end>`. Any process may delete it to have the index built again. */
export const COVERAGE_KEY = 'audit-reads';
const COVERAGE = /^(0|[1-9][0-9]{0,15}) (0|[1-9][0-9]{0,15})$/;

/** Entries `[first, end)`. */
export interface Coverage {
  readonly first: number;
  readonly end: number;
}

export function parseCoverage(value: string | undefined): Coverage | undefined {
  const [, first, end] = COVERAGE.exec(value ?? '') ?? [];
  return first === undefined ? undefined : { first: Number(first), end: Number(end) };
}

/** Versions of one path that a row names. A reader may ask for older versions by number, without limit. */
const MOST_VERSIONS = 8;
/**
 * Rows of known pairs that one plan changes; the others follow in later plans. So the time of the last read is late by seconds if thousands of pods read
 * at once, and the integrator does not write a row for each read. A new pair never waits.
 */
const CHANGES_A_PLAN = 64;
/** Most pairs in memory. Above it, the index forgets all that are written. A pair takes about 130 bytes. */
const MOST_PAIRS = 131_072;
const ROWS_A_READ = 1_000;

interface Pair {
  firstIndex: number;
  firstAt: number;
  lastIndex: number;
  lastAt: number;
  versions: readonly string[];
  /** The store has a row. */
  isStored: boolean;
}

interface Known {
  readonly reader: Reader;
  readonly pairs: Map<string, Pair>;
  /** The rows of the store are in `pairs`. */
  isLoaded: boolean;
}

interface Changed {
  readonly known: Known;
  readonly path: string;
}

export interface IndexPlan {
  readonly expect: readonly Expectation[];
  readonly writes: readonly Write[];
}

type Row = Tables['log_reads'];

/** Pairs of a reader and a path, kept beside the tree: the first and the last read. Only the process that integrates the log writes it. */
export class ReadIndex {
  readonly #readers = new Map<string, Known>();
  readonly #unloaded = new Set<Known>();
  readonly #paths = new Map<string, string>();
  #pairs = 0;
  /** Pairs without a row, and pairs whose row differs. */
  #fresh = new Map<Pair, Changed>();
  readonly #changed = new Map<Pair, Changed>();
  #removals: Write[] = [];
  /** The stored value of `COVERAGE_KEY`. */
  #stored: string | undefined;
  #coverage: Coverage;

  private constructor(stored: string | undefined, coverage: Coverage) {
    this.#stored = stored;
    this.#coverage = coverage;
  }

  /** The index of a log of `size` entries. Unless its row ends where the log does, it begins again there; the older entries follow. */
  static async open(store: RowReader, size: number): Promise<ReadIndex> {
    const stored = (await store.get('meta', { key: COVERAGE_KEY }))?.value;
    const coverage = parseCoverage(stored);
    const isCurrent = coverage?.end === size && coverage.first <= size;
    return new ReadIndex(stored, isCurrent ? coverage : { first: size, end: size });
  }

  get coverage(): Coverage {
    return this.#coverage;
  }

  /** Rows that the next plan must write. */
  get waiting(): number {
    return this.#fresh.size;
  }

  get isLoaded(): boolean {
    return this.#unloaded.size === 0;
  }

  /** Adds a release of a value, in any order. */
  add(reader: Reader, { path, version, index, at }: Release): void {
    const known = this.#known(reader);
    const pair = known.pairs.get(path);
    if (pair === undefined) {
      const versions = version === '' ? [] : [detached(version)];
      const first = { firstIndex: index, firstAt: at };
      this.#put(known, path, { ...first, lastIndex: index, lastAt: at, versions, isStored: false });
      return;
    }
    const isLater = index > pair.lastIndex;
    if (isLater) [pair.lastIndex, pair.lastAt] = [index, at];
    if (index < pair.firstIndex) [pair.firstIndex, pair.firstAt] = [index, at];
    if (version !== '' && pair.versions[0] !== version)
      pair.versions = merged([detached(version)], pair.versions, isLater ? 'first' : 'last');
    if (pair.isStored) this.#changed.set(pair, { known, path });
  }

  /** Makes the rows of a reader known to `load`. */
  know(reader: Reader): void {
    this.#known(reader);
  }

  /** Reads the rows of the readers that were added since the last call. */
  async load(store: RowReader): Promise<void> {
    for (const known of [...this.#unloaded]) {
      const rows = await readAll(store, known.reader.key);
      for (const row of rows) this.#merge(known, row);
      known.isLoaded = true;
      this.#unloaded.delete(known);
    }
  }

  /** The time of the last read of a reader that is loaded. */
  lastAt({ key }: Reader): number {
    const pairs = [...(this.#readers.get(key)?.pairs.values() ?? [])];
    return pairs.reduce((last, pair) => Math.max(last, pair.lastAt), 0);
  }

  /** Moves the pairs of a reader that is gone to its identity, and removes its rows. The rows must be loaded. */
  fold(reader: Reader, identity: Reader): void {
    const known = this.#readers.get(reader.key);
    if (known === undefined) return;
    for (const [path, pair] of known.pairs) {
      const { firstIndex, firstAt, lastIndex, lastAt, versions } = pair;
      const version = versions[0] ?? '';
      this.add(identity, { path, version, index: firstIndex, at: firstAt });
      this.add(identity, { path, version, index: lastIndex, at: lastAt });
      this.#fresh.delete(pair);
      this.#changed.delete(pair);
    }
    this.#pairs -= known.pairs.size;
    this.#readers.delete(reader.key);
    this.#removals.push({ table: 'log_reads', remove: { reader: reader.key } });
  }

  /**
   * The rows since the last call, for a log of `end` entries. The plan fails if another process wrote the index, or asked for a new one. Readers that are
   * not loaded stay for the next plan.
   */
  takePlan(coverage: Coverage): IndexPlan {
    const value = `${coverage.first} ${coverage.end}`;
    const key = { key: COVERAGE_KEY };
    const expect: Expectation =
      this.#stored === undefined
        ? { table: 'meta', key, absent: true }
        : { table: 'meta', key, match: { value: this.#stored } };
    const writes = [...this.#takeFresh(), ...this.#takeChanged(), ...this.#removals];
    this.#removals = [];
    if (value !== this.#stored) writes.push({ table: 'meta', put: { ...key, value } });
    this.#stored = value;
    this.#coverage = coverage;
    if (this.#pairs > MOST_PAIRS) this.#forget();
    return { expect: [expect], writes };
  }

  #takeFresh(): Write[] {
    const waiting = new Map<Pair, Changed>();
    const writes: Write[] = [];
    for (const [pair, changed] of this.#fresh) {
      if (changed.known.isLoaded) writes.push(rowWrite(pair, changed));
      else waiting.set(pair, changed);
    }
    this.#fresh = waiting;
    return writes;
  }

  #takeChanged(): readonly Write[] {
    const writes: Write[] = [];
    for (const [pair, { known, path }] of this.#changed) {
      if (writes.length === CHANGES_A_PLAN) break;
      this.#changed.delete(pair);
      const { reader } = known;
      writes.push({
        table: 'log_reads',
        key: { reader: reader.key, path },
        change: columnsOf(pair),
      });
    }
    return writes;
  }

  #known(reader: Reader): Known {
    const known = this.#readers.get(reader.key);
    if (known !== undefined) return known;
    const made = { reader, pairs: new Map<string, Pair>(), isLoaded: false };
    this.#readers.set(reader.key, made);
    this.#unloaded.add(made);
    return made;
  }

  #put(known: Known, path: string, pair: Pair): void {
    const shared = this.#paths.get(path) ?? detached(path);
    this.#paths.set(shared, shared);
    known.pairs.set(shared, pair);
    this.#pairs += 1;
    if (!pair.isStored) this.#fresh.set(pair, { known, path: shared });
  }

  #merge(known: Known, row: Row): void {
    const stored = pairOf(row);
    const pair = known.pairs.get(row.path);
    if (pair === undefined) {
      this.#put(known, row.path, stored);
      return;
    }
    this.#fresh.delete(pair);
    if (stored.firstIndex < pair.firstIndex)
      [pair.firstIndex, pair.firstAt] = [stored.firstIndex, stored.firstAt];
    const isLater = pair.lastIndex > stored.lastIndex;
    if (!isLater) [pair.lastIndex, pair.lastAt] = [stored.lastIndex, stored.lastAt];
    pair.versions = merged(pair.versions, stored.versions, isLater ? 'first' : 'last');
    pair.isStored = true;
    this.#changed.set(pair, { known, path: row.path });
  }

  #forget(): void {
    const unwritten = new Set([...this.#fresh.values(), ...this.#changed.values()].map(knownOf));
    for (const [key, known] of this.#readers) {
      if (unwritten.has(known)) continue;
      this.#readers.delete(key);
      this.#unloaded.delete(known);
      this.#pairs -= known.pairs.size;
    }
    this.#paths.clear();
  }
}

/** A copy, so that the text does not keep its whole batch in memory. */
function detached(text: string): string {
  return Buffer.from(text).toString();
}

function knownOf({ known }: Changed): Known {
  return known;
}

async function readAll(store: RowReader, reader: string): Promise<readonly Row[]> {
  const all: Row[] = [];
  for (let after: Row | undefined; ;) {
    const rows = await store.list(LOG_READS.ofReader(reader), { limit: ROWS_A_READ, after });
    all.push(...rows);
    if (rows.length < ROWS_A_READ) return all;
    after = rows.at(-1);
  }
}

/** The versions of two lists, each once; `place` says which list has the newest. */
function merged(
  own: readonly string[],
  others: readonly string[],
  place: 'first' | 'last',
): readonly string[] {
  const all = place === 'first' ? [...own, ...others] : [...others, ...own];
  return [...new Set(all)].slice(0, MOST_VERSIONS);
}

function rowWrite(pair: Pair, { known: { reader }, path }: Changed): Write {
  pair.isStored = true;
  const { key, identity, pod = null, node = null } = reader;
  return {
    table: 'log_reads',
    put: { reader: key, path, identity, pod, node, ...columnsOf(pair) },
  };
}

function columnsOf({
  firstIndex,
  firstAt,
  lastIndex,
  lastAt,
  versions,
}: Pair): Pick<Row, 'first_index' | 'first_at' | 'last_index' | 'last_at' | 'versions'> {
  return {
    first_index: firstIndex,
    first_at: firstAt,
    last_index: lastIndex,
    last_at: lastAt,
    versions: JSON.stringify(versions),
  };
}

function pairOf(row: Row): Pair {
  return {
    firstIndex: row.first_index,
    firstAt: row.first_at,
    lastIndex: row.last_index,
    lastAt: row.last_at,
    versions: versionsIn(row),
    isStored: true,
  };
}

/** The database is not trusted: a wrong text names no versions. */
export function versionsIn({ versions }: Pick<Row, 'versions'>): readonly string[] {
  try {
    const list: unknown = JSON.parse(versions);
    return Array.isArray(list) ? list.filter((each) => typeof each === 'string') : [];
  } catch {
    return [];
  }
}
