import { setImmediate as loopTurn } from 'node:timers/promises';
import { HASH_BYTES } from '../../crypto/log/merkle.ts';
import { TILE_WIDTH } from '../../crypto/log/tiles.ts';
import type { RowReader, Write } from '../../ports/store.ts';
import { LOG } from '../../ports/queries.ts';
import { freeBytes } from '../../domain/words/free-bytes.ts';
import { BundleTerms, firstFrom, TERMS_LEVEL } from '../records/bundle-terms.ts';
import { HEAD_LEVEL } from './head-terms.ts';
import { GROUP_BUNDLES } from './search-index.ts';
import { SHORTCUTS_LEVEL } from './proof-shortcuts.ts';
import { NODES_LEVEL } from './proven-parents.ts';
import { nodesAbove } from './tile-nodes.ts';

/** The level under which log_tiles keeps the terms of whole groups; internals/spec/audit-log-v1.md, "Search index". */
const GROUP_LEVEL = -3;
/** The rows of a group: one for each first byte of a hash, and one with the time spans of its bundles. */
const BUCKETS = 256;
const ROWS = BUCKETS + 1;
/** Three bytes of the hash after the first, and the bundle within the group. */
const RECORD_BYTES = 5;
const BUNDLES_A_READ = 32;
const BUCKETS_A_PLAN = 16;

/** The key of a row; `group` is the first bundle of the group. */
function rowOf(
  group: number,
  bucket: number,
): { readonly level: number; readonly tile_index: number } {
  return { level: GROUP_LEVEL, tile_index: (group / GROUP_BUNDLES) * ROWS + bucket };
}

/** The time spans of a group's bundles, in order; undefined unless the group is merged. */
export async function groupTimes(store: RowReader, group: number): Promise<Uint8Array | undefined> {
  return (await store.get('log_tiles', rowOf(group, BUCKETS)))?.hashes;
}

/** Reports for each bundle of a merged group whether it may have the term with this hash: 1 or 0. */
export async function bundlesWith(
  store: RowReader,
  group: number,
  hash: number,
): Promise<Uint8Array> {
  const row = await store.get('log_tiles', rowOf(group, hash >>> 24));
  const { buffer, byteOffset, length } = row?.hashes ?? new Uint8Array();
  const body = Buffer.from(buffer, byteOffset, length);
  const size = Math.floor(body.length / RECORD_BYTES);
  const low = hash & 0xffffff;
  const found = new Uint8Array(GROUP_BUNDLES);
  const firstOf = (least: number): number =>
    firstFrom(size, (place) => body.readUIntBE(RECORD_BYTES * place, 3) >= least);
  const [first, end] = [firstOf(low), firstOf(low + 1)];
  if (end - first === GROUP_BUNDLES) found.fill(1);
  else for (let i = first; i < end; i++) found[body.readUInt16BE(RECORD_BYTES * i + 3)] = 1;
  if (row !== undefined) freeBytes(row.hashes);
  return found;
}

type Commit = (writes: readonly Write[]) => Promise<void>;

/**
 * Merges the rows of a group's 1,024 bundles, so that a search reads one row for each term. Every plan is small, and no search uses the group
 * before its last row is written. A group stays as it is while a bundle has no row.
 */
export async function mergeGroup(store: RowReader, group: number, commit: Commit): Promise<void> {
  const bundles = await readBundles(store, group);
  if ((await groupTimes(store, group)) !== undefined) {
    // A crash may have left rows of bundles, and written no nodes.
    if (bundles.length > 0) await removeBundles(group, commit);
    await writeNodes(store, group, commit);
    return;
  }
  if (bundles.length < GROUP_BUNDLES) return;
  const places = new Uint32Array(GROUP_BUNDLES);
  let writes: Write[] = [];
  for (let bucket = 0; bucket < BUCKETS; bucket++) {
    const hashes = bucketOf(bundles, places, bucket);
    writes.push({ table: 'log_tiles', put: { ...rowOf(group, bucket), hashes } });
    if (writes.length < BUCKETS_A_PLAN) continue;
    await commit(writes);
    writes = [];
    await loopTurn();
  }
  const hashes = Buffer.concat(bundles.map(({ times }) => times));
  await commit([{ table: 'log_tiles', put: { ...rowOf(group, BUCKETS), hashes } }]);
  await removeBundles(group, commit);
  await writeNodes(store, group, commit);
}

/** The tiles of level 1 of a group: one for 256 bundles. */
function parentsOf(group: number): { readonly first: number; readonly last: number } {
  return { first: group / TILE_WIDTH, last: (group + GROUP_BUNDLES) / TILE_WIDTH - 1 };
}

/** Writes the nodes of the group's tiles of level 1, unless they are there. A damaged tile gets none or wrong ones, which prove nothing. */
async function writeNodes(store: RowReader, group: number, commit: Commit): Promise<void> {
  const { first, last } = parentsOf(group);
  const limit = last - first + 1;
  const known = await store.list(LOG.tilesBetween(NODES_LEVEL, first, last), { limit });
  if (known.length === limit) return;
  const tiles = await store.list(LOG.tilesBetween(1, first, last), { limit });
  const writes = tiles
    .filter(({ hashes }) => hashes.length === TILE_WIDTH * HASH_BYTES)
    .map(({ tile_index, hashes }): Write => ({
      table: 'log_tiles',
      put: { level: NODES_LEVEL, tile_index, hashes: nodesAbove(hashes) },
    }));
  if (writes.length > 0) await commit(writes);
}

/** Removes the search index of a group, except for the rows of `log_terms`. */
export async function removeGroup(store: RowReader, group: number, commit: Commit): Promise<void> {
  const end = (group / GROUP_BUNDLES + 1) * ROWS - 1;
  const ranges = [
    { level: GROUP_LEVEL, first: end - BUCKETS, last: end },
    { level: TERMS_LEVEL, first: group, last: group + GROUP_BUNDLES - 1 },
    { level: SHORTCUTS_LEVEL, first: group, last: group + GROUP_BUNDLES - 1 },
    { level: HEAD_LEVEL, first: group, last: group + GROUP_BUNDLES - 1 },
    { level: NODES_LEVEL, ...parentsOf(group) },
  ];
  for (const { level, first, last } of ranges)
    for (let at = first; ; at += BUNDLES_A_READ) {
      const [row] = await store.list(LOG.tilesBetween(level, at, last), { limit: 1 });
      if (row === undefined) break;
      at = row.tile_index;
      const range = { first: at, last: Math.min(at + BUNDLES_A_READ - 1, last) };
      const where = { level };
      await commit([
        { table: 'log_tiles', removeRange: { where, column: 'tile_index', ...range } },
      ]);
      await loopTurn();
    }
}

/** Removes the rows that a merged group replaces. */
async function removeBundles(group: number, commit: Commit): Promise<void> {
  // The first rows are removed last, because their presence shows that some are left.
  for (let last = group + GROUP_BUNDLES - 1; last >= group; last -= BUNDLES_A_READ) {
    const first = last - BUNDLES_A_READ + 1;
    const where = { level: TERMS_LEVEL };
    await commit([
      { table: 'log_tiles', removeRange: { where, column: 'tile_index', first, last } },
    ]);
    await loopTurn();
  }
}

async function readBundles(store: RowReader, group: number): Promise<readonly BundleTerms[]> {
  const bundles: BundleTerms[] = [];
  for (let first = group; first < group + GROUP_BUNDLES; first += BUNDLES_A_READ) {
    const query = LOG.tilesBetween(TERMS_LEVEL, first, first + BUNDLES_A_READ - 1);
    const rows = await store.list(query, { limit: BUNDLES_A_READ });
    bundles.push(...rows.map(({ hashes }) => new BundleTerms(hashes)));
    if (rows.length < BUNDLES_A_READ) break;
    await loopTurn();
  }
  return bundles;
}

/** The sorted records of one bucket. `places`: how far each bundle was read; buckets are taken in order. */
function bucketOf(
  bundles: readonly BundleTerms[],
  places: Uint32Array,
  bucket: number,
): Uint8Array {
  const records: number[] = [];
  bundles.forEach((bundle, at) => {
    let place = places[at] ?? 0;
    for (; place < bundle.size && bundle.at(place) >>> 24 === bucket; place++)
      records.push((bundle.at(place) & 0xffffff) * 65_536 + at);
    places[at] = place;
  });
  const body = Buffer.alloc(RECORD_BYTES * records.length);
  Float64Array.from(records)
    .sort()
    .forEach((record, i) => body.writeUIntBE(record, RECORD_BYTES * i, RECORD_BYTES));
  return body;
}
