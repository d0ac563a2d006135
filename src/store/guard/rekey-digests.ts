import { setImmediate as loopTurn } from 'node:timers/promises';
import { SetHash } from '../../crypto/hashes/set-hash.ts';
import type { Store } from '../../ports/store.ts';
import type { DigestedTable } from '../../ports/tables.ts';
import { DIGESTED } from './guarded-tables.ts';
import { nameOf, type DigestRow, type RowGuard, type StoredRow } from './row-guard.ts';
import { readPages } from './state-check.ts';

/** Each attempt reads only rows, and computes elements only for the rows that changed since the attempt before. */
const ATTEMPTS = 64;

/** The elements of the rows of a kind under the active root key, by row. A row whose MAC is the same has the same content. */
type Elements = Map<string, { readonly mac: string; readonly element: string }>;

/**
 * Computes the digests that are still under an older root key again under the active one, each in one commit with an entry that names it. The commit
 * expects the digest that the rows were compared with.
 * @returns the kinds whose digest other commits kept changing; the next call continues with them.
 */
export async function rekeyDigests(
  store: Store,
  guard: RowGuard,
  options: RekeyOptions,
): Promise<RekeyedDigests> {
  const left: DigestedTable[] = [];
  let done = 0;
  const rootKeyId = options.activeId();
  for (const kind of DIGESTED) {
    const digest = await store.get('state_digests', { kind });
    if (digest === undefined || digest.root_key_id === rootKeyId) continue;
    const elements: Elements = new Map();
    let isDone = false;
    for (let attempt = 0; attempt < ATTEMPTS && !isDone; attempt += 1)
      isDone = await rekey(store, guard, { ...options, kind, elements, rootKeyId });
    if (isDone) done += 1;
    else left.push(kind);
  }
  return { done, left };
}

interface RekeyOptions {
  /** The body of the entry that names a new digest. */
  readonly entry: () => string;
  /** The id of the root key that is active now. */
  readonly activeId: () => string;
}

interface RekeyedDigests {
  readonly done: number;
  readonly left: readonly DigestedTable[];
}

interface Rekeying extends RekeyOptions {
  readonly kind: DigestedTable;
  readonly elements: Elements;
  readonly rootKeyId: string;
}

async function rekey(
  store: Store,
  guard: RowGuard,
  { kind, elements, entry, rootKeyId, activeId }: Rekeying,
): Promise<boolean> {
  const before = guard.accept(kind, await store.get('state_digests', { kind }));
  const set = SetHash.empty();
  const seen: Elements = new Map();
  let count = 0;
  for await (const page of readPages(store, kind)) {
    for (const row of page as readonly unknown[] as readonly StoredRow[]) {
      const name = nameOf(kind, row);
      const mac = Buffer.from(row['mac'] as Uint8Array).toString('latin1');
      const known = elements.get(name);
      const element = known?.mac === mac ? known.element : guard.element(rootKeyId, kind, row);
      seen.set(name, { mac, element });
      set.add(element);
    }
    count += page.length;
  }
  elements.clear();
  for (const [name, element] of seen) elements.set(name, element);
  // Elements under two keys would make a digest that no rows match.
  if (count !== before.count || activeId() !== rootKeyId) return wait();
  const put: DigestRow = guard.createDigest(kind, {
    generation: before.generation + 1,
    count,
    set,
  });
  const outcome = await store.commit({
    expect: [{ table: 'state_digests', key: { kind }, match: { generation: before.generation } }],
    writes: [{ table: 'state_digests', put }],
    entries: guard.withState([entry()], guard.member([put])),
  });
  return outcome.status === 'committed' || wait();
}

async function wait(): Promise<false> {
  await loopTurn();
  return false;
}
