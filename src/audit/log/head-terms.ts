import { TILE_WIDTH } from '../../crypto/log/tiles.ts';
import type { Write } from '../../ports/store.ts';
import { encodeTerms, pairStart, termHash, withOther } from '../records/bundle-terms.ts';
import { entryTerms, scanEntry } from './entry-scan.ts';
import { isPaired } from '../records/search-term.ts';

/** The level under which log_tiles keeps the terms of the heads of bundles; internals/spec/audit-log-v1.md, "Search index". */
export const HEAD_LEVEL = -6;
/** A longer head is a good part of its bundle, so its row would save little. */
const LONGEST_HEAD = 64;
const NO_TIMES = { first: 0, last: 0 };

/** The hashes of all terms and pairs of these entries, as the list of a bundle has them. */
function hashesOf(entries: readonly string[]): ReadonlySet<number> {
  const hashes = new Set<number>();
  for (const entry of entries) {
    const scan = scanEntry(entry);
    if (scan === undefined) continue;
    const { path } = scan;
    const start =
      path === undefined ? undefined : pairStart(termHash({ kind: 'path', term: path }));
    for (const term of entryTerms(scan)) {
      const hash = termHash(term);
      hashes.add(hash | 0);
      if (start !== undefined && isPaired(term.kind)) hashes.add(withOther(start, hash));
    }
  }
  return hashes;
}

/**
 * The row for the head of a bundle: its first entries, which are in the segment before its own, because a segment ends with a batch. A search need not
 * decompress that segment for a head without its terms (measured: 12 to 30 % of a page with scattered matches). `entries` end at index `end` of the log. Undefined if
 * they have no short head.
 */
export function headTerms(entries: readonly string[], end: number): Write | undefined {
  const length = end % TILE_WIDTH;
  if (length === 0 || length > LONGEST_HEAD || length > entries.length) return undefined;
  const hashes = encodeTerms(NO_TIMES, hashesOf(entries.slice(-length)));
  const tile_index = Math.floor(end / TILE_WIDTH);
  return { table: 'log_tiles', put: { level: HEAD_LEVEL, tile_index, hashes } };
}
