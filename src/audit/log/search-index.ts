import { TILE_WIDTH } from '../../crypto/log/tiles.ts';
import type { Write } from '../../ports/store.ts';
import {
  encodeTerms,
  pairStart,
  TERMS_LEVEL,
  termHash,
  withOther,
  type TimeSpan,
} from '../records/bundle-terms.ts';
import { eventStart } from '../records/entry.ts';
import { entryTime } from './entry-query.ts';
import {
  actorTerms,
  CODE,
  pathTerms,
  scanHead,
  scanRest,
  whatTerms,
  type EntryScan,
} from './entry-scan.ts';
import { GrowingShortcuts } from './proof-shortcuts.ts';
import type { ReadIndex } from './read-index.ts';
import { isRelease, readerIn, releaseOf, type Reader, type Release } from './reader.ts';
import { isIndexed, isPaired, type SearchTerm } from '../records/search-term.ts';

/**
 * Bundles in a group. log_terms lists the groups of 262,144 entries that have a term; lists of hashes select the bundles within a group. A row for
 * each bundle would cost ten times the rest of the integrator (measured with 10,000 reading pods).
 */
export const GROUP_BUNDLES = 1024;

interface Piece {
  /** The hashes of all terms of the piece, without those of `shared`. */
  readonly hashes: readonly number[];
  /** The part that other pieces have too. */
  readonly shared: Piece | undefined;
  /** Hashes that form pairs with the path of the entry; of an actor, those of `shared` too. */
  readonly paired: readonly number[];
  lastBundle: number;
  /** The caller that an actor's text names, once a value was released to it. */
  reader?: Reader | undefined;
}

/** The text of an entry from its time to its outcome or code, and the terms that it adds to the index. */
interface Head {
  readonly text: string;
  readonly time: number;
  readonly pieces: readonly Piece[];
  /** Hashes of the actor that form pairs with the path. */
  readonly paired: readonly number[];
  /** The caller to which the entry says that a value was released. */
  readonly reader: Reader | undefined;
}

const SESSION = ',"session":"';
/** Most actors of sessions in the cache. Each login adds one, and a group may contain a hundred thousand. */
const MOST_SESSIONS = 8_192;

/** A copy, so that the term does not keep its whole batch in memory. */
function detached(text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1');
}

/**
 * Builds the search index as entries arrive in order. Actors, actions and paths repeat. Each costs one map look-up, and its terms are
 * written once per group, and their hashes are added once per bundle.
 */
export class SearchIndex {
  #group = -1;
  #pieces = new Map<string, Piece>();
  readonly #sessions = new Map<string, Piece>();
  #written = new Set<string>();
  /** Hashes as signed numbers, because V8 allocates an object for an integer from 2^31 on. */
  #hashes = new Set<number>();
  /** The actor of the last entry. The entries of a commit often share it, and a look-up of its text takes 0.6 µs (measured). */
  #last: { readonly text: string; readonly piece: Piece } | undefined;
  #head: Head | undefined;
  #times: TimeSpan | undefined;
  readonly #shortcuts = new GrowingShortcuts();
  readonly #reads: ReadIndex | undefined;
  #writes: Write[] = [];

  /** `reads`: gets the releases of values from its end on. */
  constructor(reads?: ReadIndex) {
    this.#reads = reads;
  }

  /** Adds an entry. Entries must arrive in index order, from the first of a bundle on. Non-canonical text is not indexed, but it is still proven. */
  add(index: number, entry: string, leaf: Uint8Array): void {
    this.#shortcuts.add(index, entry, leaf);
    const bundle = Math.floor(index / TILE_WIDTH);
    this.#enterGroup(Math.floor(bundle / GROUP_BUNDLES));
    const start = eventStart(entry);
    const head = this.#headOf(bundle, entry, start);
    if (head !== undefined) {
      this.#addTime(head.time);
      for (const piece of head.pieces) this.#addPiece(bundle, piece);
      const rest = scanRest(entry, start + head.text.length);
      this.#addRest(bundle, rest, head.paired);
      if (head.reader !== undefined)
        this.#addRelease(head.reader, releaseOf(index, rest, head.time));
    }
    if (index % TILE_WIDTH === TILE_WIDTH - 1) this.#closeBundle(bundle);
  }

  /** The number of rows that `takeWrites` would return. */
  get waiting(): number {
    return this.#writes.length;
  }

  /** Returns the rows since the last call. */
  takeWrites(): readonly Write[] {
    const writes = this.#writes;
    this.#writes = [];
    return writes;
  }

  #enterGroup(group: number): void {
    if (group === this.#group) return;
    this.#group = group;
    this.#pieces = new Map();
    this.#last = undefined;
    this.#head = undefined;
    this.#sessions.clear();
    this.#written = new Set();
  }

  /**
   * The items of a batch have the same head, which is compared as a slice: 0.05 µs for 500 characters, and 1.3 µs with `startsWith` (measured).
   */
  #headOf(bundle: number, entry: string, start: number): Head | undefined {
    const last = this.#head;
    if (last !== undefined) {
      const end = start + last.text.length;
      // Without a code, the text of a head is also the beginning of one with a code.
      if (entry.slice(start, end) === last.text && !entry.startsWith(CODE, end)) return last;
    }
    const scan = scanHead(entry);
    if (scan === undefined) return undefined;
    const { request, actor, what, end } = scan;
    const hashes = [termHash({ kind: 'request', term: request })];
    const piece = this.#actor(bundle, actor);
    const pieces = [
      piece,
      this.#piece(bundle, what, whatTerms),
      { hashes, shared: undefined, paired: [], lastBundle: -1 },
    ];
    if (this.#reads !== undefined && isRelease(what)) piece.reader ??= readerIn(actor);
    const reader = isRelease(what) ? piece.reader : undefined;
    const { paired } = piece;
    this.#head = { text: entry.slice(start, end), time: entryTime(entry), pieces, paired, reader };
    return this.#head;
  }

  /** The entries of the last bundle are added again after a start. */
  #addRelease(reader: Reader, release: Release | undefined): void {
    const reads = this.#reads;
    if (reads === undefined || release === undefined) return;
    if (release.index >= reads.coverage.end) reads.add(reader, release);
  }

  #actor(bundle: number, text: string): Piece {
    if (this.#last?.text !== text) this.#last = { text, piece: this.#knownActor(bundle, text) };
    return this.#last.piece;
  }

  /** A login brings a new actor that differs from others of its pod only in the session, its last member. */
  #knownActor(bundle: number, text: string): Piece {
    const known = this.#sessions.get(text);
    if (known !== undefined) return known;
    const at = text.indexOf(SESSION);
    const session = text.slice(at + SESSION.length, -2);
    if (at < 0 || session.includes('"')) return this.#piece(bundle, text, actorTerms);
    const shared = this.#piece(bundle, `${text.slice(0, at)}}`, actorTerms);
    const hashes = [termHash({ kind: 'session', term: session })];
    const piece = { hashes, shared, paired: [...shared.paired, ...hashes], lastBundle: -1 };
    this.#sessions.set(detached(text), piece);
    return piece;
  }

  #piece(bundle: number, text: string, termsOf: (text: string) => readonly SearchTerm[]): Piece {
    const known = this.#pieces.get(text);
    if (known !== undefined) return known;
    const copy = detached(text);
    const terms = termsOf(copy);
    const paired = terms.filter(({ kind }) => isPaired(kind)).map(termHash);
    const piece = { hashes: terms.map(termHash), shared: undefined, paired, lastBundle: -1 };
    this.#pieces.set(copy, piece);
    for (const term of terms) this.#writeTerm(bundle, term);
    return piece;
  }

  #addPiece(bundle: number, piece: Piece): void {
    if (piece.lastBundle === bundle) return;
    piece.lastBundle = bundle;
    for (const hash of piece.hashes) this.#hashes.add(hash | 0);
    if (piece.shared !== undefined) this.#addPiece(bundle, piece.shared);
  }

  #addRest(
    bundle: number,
    { path, rareTerms }: Pick<EntryScan, 'path' | 'rareTerms'>,
    paired: readonly number[],
  ): void {
    const piece = path === undefined ? undefined : this.#piece(bundle, path, pathTerms);
    if (piece !== undefined) this.#addPiece(bundle, piece);
    // The last term of a path is the whole path.
    const start = piece && pairStart(piece.hashes.at(-1) ?? 0);
    for (const term of rareTerms) {
      const hash = termHash(term);
      this.#hashes.add(hash | 0);
      if (start !== undefined && isPaired(term.kind)) this.#hashes.add(withOther(start, hash));
      this.#writeTerm(bundle, term);
    }
    if (start !== undefined) for (const hash of paired) this.#hashes.add(withOther(start, hash));
  }

  #writeTerm(bundle: number, { kind, term }: SearchTerm): void {
    if (!isIndexed(kind)) return;
    const key = `${kind}:${term}`;
    if (this.#written.has(key)) return;
    this.#written.add(key);
    const first = Math.floor(bundle / GROUP_BUNDLES) * GROUP_BUNDLES;
    this.#writes.push({ table: 'log_terms', put: { kind, term: detached(term), bundle: first } });
  }

  #addTime(time: number): void {
    if (Number.isNaN(time)) return;
    const { first = time, last = time } = this.#times ?? {};
    this.#times = { first: Math.min(first, time), last: Math.max(last, time) };
  }

  #closeBundle(bundle: number): void {
    const hashes = encodeTerms(this.#times ?? { first: 0, last: 0 }, this.#hashes);
    this.#writes.push({
      table: 'log_tiles',
      put: { level: TERMS_LEVEL, tile_index: bundle, hashes },
    });
    this.#writes.push(this.#shortcuts.write(bundle));
    this.#hashes = new Set();
    this.#times = undefined;
    if (this.#sessions.size > MOST_SESSIONS) this.#sessions.clear();
  }
}
