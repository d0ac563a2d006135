import { setImmediate as loopTurn } from 'node:timers/promises';
import { TILE_WIDTH } from '../../crypto/log/tiles.ts';
import { allRows, LOG } from '../../ports/queries.ts';
import type { Store, Write } from '../../ports/store.ts';
import { removeGroup } from '../log/group-terms.ts';
import { GROUP_BUNDLES } from '../log/search-index.ts';

/** Rows that one plan removes: a larger plan would delay the commits of requests. */
const ROWS_A_PLAN = 64;
/** Entries whose segments one plan removes: at most 32 segments or a few more. */
const ENTRIES_A_PLAN = 32 * TILE_WIDTH;

type Commit = (writes: readonly Write[]) => Promise<void>;

/**
 * Removes the archived entries `[0, end)` and their search index from the store, in small plans. It finds the remaining rows by itself, so it may be
 * interrupted at any point. These rows stay: the hashes of the tree; two batches of each boot, because its first one announces its key and a chain
 * continues after its last one; a segment or batch that also has later entries; and the index of a group that also has later entries.
 */
export async function pruneLog(store: Store, end: number, commit: Commit): Promise<void> {
  await pruneSegments(store, end, commit);
  await pruneBatches(store, end, commit);
  await pruneIndex(store, end, commit);
}

async function pruneSegments(store: Store, end: number, commit: Commit): Promise<void> {
  const [straddling] = await store.list(LOG.closedBefore(end - 1), { limit: 1 });
  if (straddling === undefined) return;
  const { first_index, count } = straddling;
  const limit = first_index + count > end ? first_index : end;
  for (;;) {
    const [oldest] = await store.list(LOG.closedBetween(0, limit - 1), { limit: 1 });
    if (oldest === undefined) return;
    const last = Math.min(oldest.first_index + ENTRIES_A_PLAN, limit) - 1;
    const range = { where: {}, column: 'first_index', first: oldest.first_index, last } as const;
    await commit([{ table: 'audit_segments', removeRange: range }]);
    await loopTurn();
  }
}

async function pruneBatches(store: Store, end: number, commit: Commit): Promise<void> {
  const lastOf = new Map<string, number>();
  for (let from = 0; ;) {
    const places = await store.list(LOG.segmentsBetween(from, end - 1), { limit: ROWS_A_PLAN });
    const writes: Write[] = [];
    for (const { first_index, writer, first_seq, count } of places) {
      from = first_index + 1;
      if (!lastOf.has(writer)) {
        const [last] = await store.list(LOG.lastSegmentOf(writer), { limit: 1 });
        lastOf.set(writer, last?.first_seq ?? first_seq);
      }
      const stays = first_seq === 1 || first_seq === lastOf.get(writer);
      if (stays || first_index + count > end) continue;
      writes.push({ table: 'audit_batches', remove: { writer, first_seq } });
      writes.push({ table: 'log_segments', remove: { first_index } });
    }
    if (writes.length > 0) await commit(writes);
    if (places.length < ROWS_A_PLAN) return;
    await loopTurn();
  }
}

/** The index of whole groups of 262,144 entries. */
async function pruneIndex(store: Store, end: number, commit: Commit): Promise<void> {
  const groups = Math.floor(end / (TILE_WIDTH * GROUP_BUNDLES)) * GROUP_BUNDLES;
  if (groups === 0) return;
  await pruneTerms(store, groups, commit);
  for (let group = 0; group < groups; group += GROUP_BUNDLES)
    await removeGroup(store, group, commit);
}

async function pruneTerms(store: Store, groups: number, commit: Commit): Promise<void> {
  let after: { kind: string; term: string; bundle: number } | undefined;
  do {
    const rows = await store.list(allRows('log_terms'), { limit: ROWS_A_PLAN, after });
    const old = rows.filter(({ bundle }) => bundle < groups);
    if (old.length > 0)
      await commit(old.map((row): Write => ({ table: 'log_terms', remove: row })));
    after = rows.length < ROWS_A_PLAN ? undefined : rows.at(-1);
    await loopTurn();
  } while (after !== undefined);
}
