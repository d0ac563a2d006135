import { mkdtemp, rm } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { joinEntries, positionText } from '../../src/audit/records/entry.ts';
import { LogReader } from '../../src/audit/log/log-reader.ts';
import { GrowingShortcuts } from '../../src/audit/log/proof-shortcuts.ts';
import { NODES_LEVEL } from '../../src/audit/log/proven-parents.ts';
import { nodesAbove } from '../../src/audit/log/tile-nodes.ts';
import { logIdentity } from '../../src/audit/records/log-identity.ts';
import { termHash } from '../../src/audit/records/bundle-terms.ts';
import { queryPairs, queryTerms } from '../../src/audit/log/entry-query.ts';
import { headTerms } from '../../src/audit/log/head-terms.ts';
import { GROUP_BUNDLES } from '../../src/audit/log/search-index.ts';
import { isIndexed } from '../../src/audit/records/search-term.ts';
import { encodeSegment } from '../../src/audit/records/segment.ts';
import { sha256Hex } from '../../src/crypto/hashes/digest.ts';
import { signCheckpoint } from '../../src/crypto/log/checkpoint.ts';
import { leafHash, perfectRoot, TreeAccumulator } from '../../src/crypto/log/merkle.ts';
import { TILE_WIDTH } from '../../src/crypto/log/tiles.ts';
import { generateSigningKey } from '../../src/crypto/signatures/signing.ts';
import { systemClock } from '../../src/process/clock.ts';
import type { AuditQuery } from '../../src/ports/audit-log.ts';
import type { Write } from '../../src/ports/store.ts';
import { openSqliteStore } from '../../src/store/sqlite/open-sqlite-store.ts';
import { FakeAuditChain } from '../../test/kit/fakes/fake-audit-chain.ts';
import { body } from '../../test/kit/log/log-bench.ts';
import { writeNewStore } from '../../test/kit/store/new-store.ts';
import { createPod, readBy, readFields } from '../search-log.ts';

/**
 * Processor time of a page with 100 matches that are scattered over 10,000,000 entries: `node bench/micro/scattered-search.ts`. Only the bundles with matches
 * have entries; the tree has random hashes in place of the others, and the merged index random terms. So the log is written in two seconds, and a search reads
 * what it reads in a real log. The lowest round is the most accurate.
 */
const BUNDLES = 39_062;
/** One bundle of so many has a match. */
const GAP = 386;
const COMMIT = 30;
/** Entries of the commit before a bundle that are in the bundle. */
const HEAD = 16;
/** Records in each row of the merged index of a real log. */
const RECORDS = 9_216;
const ROUNDS = 16;
const START = Date.UTC(2026, 0, 1);

const pods = [createPod(10_001), createPod(10_002)].map((pod, number) => ({
  ...pod,
  path: pod.reads[0]!.path,
  /** The remainder of the bundles in which it has a match. */
  offset: 37 + 100 * number,
}));

const queries = pods.flatMap(({ path, name, uid, session }): (readonly [string, AuditQuery])[] => [
  ['path and pod', { path, pod: name }],
  ['path and UID', { path, pod: uid }],
  ['path and session', { path, session }],
]);

const directory = await mkdtemp(join(tmpdir(), 'quaymaster-bench-'));
const path = join(directory, 'store', 'log.sqlite');
await writeNewStore(path);
const store = await openSqliteStore(
  { path, ballastBytes: 4096 },
  { chain: new FakeAuditChain(), clock: systemClock, mode: 'development' },
);

async function write(...writes: readonly (Write | undefined)[]): Promise<void> {
  await store.commit({ writes: writes.filter((each) => each !== undefined) });
}

const tile = (level: number, tile_index: number, hashes: Uint8Array): Write => ({
  table: 'log_tiles',
  put: { level, tile_index, hashes },
});

/** Writes a bundle with one entry of the pod, and returns its root. */
async function writeBundle(bundle: number, pod: (typeof pods)[number]): Promise<Uint8Array> {
  const start = bundle * TILE_WIDTH;
  const match = HEAD + ((bundle * 7) % (TILE_WIDTH - HEAD));
  const shortcuts = new GrowingShortcuts();
  const leaves: Uint8Array[] = [];
  const texts: string[] = [];
  const batches = [];
  let prev = sha256Hex(String(bundle));
  for (let place = HEAD - COMMIT; place < TILE_WIDTH + COMMIT; place++) {
    const time = START + bundle * 1000;
    const fields = place === match ? readBy(pod, pod.path, time) : readFields(start + place, time);
    const at = { writer: 'bench', seq: start + place + COMMIT, prev };
    const text = positionText(at) + body(fields).slice('{"time":"'.length);
    prev = sha256Hex(text);
    texts.push(text);
    if (place >= 0 && place < TILE_WIDTH) {
      const leaf = leafHash(Buffer.from(text));
      leaves.push(leaf);
      shortcuts.add(start + place, text, leaf);
    }
    if (texts.length % COMMIT > 0) continue;
    const [head, signature] = [Buffer.from(prev, 'hex'), randomBytes(64)];
    const entries = joinEntries(texts.slice(-COMMIT));
    const first_index = start + place + 1 - COMMIT;
    const row = { writer: 'bench', first_seq: at.seq + 1 - COMMIT, count: COMMIT, entries };
    batches.push({ first_index, row: { ...row, head, signature } });
  }
  const hashes = Buffer.concat(leaves);
  await write(
    { table: 'audit_segments', put: await encodeSegment(batches.slice(1)) },
    headTerms(texts.slice(0, COMMIT), start + HEAD),
    shortcuts.write(bundle),
    tile(0, bundle, hashes),
  );
  return perfectRoot(hashes);
}

/** The rows of a group's merged index that the queries read. */
function groupRows(group: number, found: ReadonlyMap<number, readonly number[]>): Write[] {
  const first = (group / GROUP_BUNDLES) * 257;
  const buckets = Map.groupBy(found, ([hash]) => hash >>> 24);
  const rows = [...buckets].map(([bucket, wanted]) => {
    const records = Array.from(
      { length: RECORDS },
      () =>
        Math.floor(Math.random() * 2 ** 24) * 65_536 + Math.floor(Math.random() * GROUP_BUNDLES),
    );
    for (const [hash, bundles] of wanted)
      for (const bundle of bundles) records.push((hash & 0xffffff) * 65_536 + bundle - group);
    const hashes = Buffer.alloc(5 * records.length);
    for (const [i, record] of Float64Array.from(records).sort().entries())
      hashes.writeUIntBE(record, 5 * i, 5);
    return tile(-3, first + bucket, hashes);
  });
  return [...rows, tile(-3, first + 256, Buffer.alloc(12 * GROUP_BUNDLES))];
}

async function writeGroup(group: number): Promise<void> {
  const bundles = Array.from({ length: GROUP_BUNDLES }, (_, i) => group + i);
  const found = new Map<number, readonly number[]>();
  const terms: Write[] = [];
  for (const [number, [, query]] of queries.entries()) {
    const wanted = queryTerms(query);
    const { offset } = pods[Math.floor(number / 3)]!;
    const own = bundles.filter((bundle) => bundle % GAP === offset);
    for (const hash of [...wanted.map(termHash), ...queryPairs(query, wanted)])
      found.set(hash, own);
    for (const { kind, term } of wanted)
      if (isIndexed(kind)) terms.push({ table: 'log_terms', put: { kind, term, bundle: group } });
  }
  await write(...terms, ...groupRows(group, found));
}

/** Writes the tiles above the bundles, and returns the root of the tree. */
async function writeTree(roots: readonly Uint8Array[]): Promise<Uint8Array> {
  const tree = new TreeAccumulator();
  for (const root of roots) tree.append(root);
  const above: Uint8Array[] = [];
  for (let index = 0; index * TILE_WIDTH < roots.length; index++) {
    const own = roots.slice(index * TILE_WIDTH, (index + 1) * TILE_WIDTH);
    const hashes = Buffer.concat(own);
    await write(tile(1, index, hashes));
    if (own.length < TILE_WIDTH) continue;
    await write(tile(NODES_LEVEL, index, nodesAbove(hashes)));
    above.push(perfectRoot(hashes));
  }
  await write(tile(2, 0, Buffer.concat(above)));
  return tree.root();
}

const other = perfectRoot(randomBytes(TILE_WIDTH * 32));
const roots: Uint8Array[] = [];
for (let bundle = 0; bundle < BUNDLES; bundle++) {
  const pod = pods.find(({ offset }) => bundle % GAP === offset);
  roots.push(pod === undefined ? other : await writeBundle(bundle, pod));
}
for (let group = 0; group + GROUP_BUNDLES <= BUNDLES; group += GROUP_BUNDLES)
  await writeGroup(group);
const root = await writeTree(roots);
const log = logIdentity('log.example/bench', generateSigningKey());
const size = BUNDLES * TILE_WIDTH;
const note = signCheckpoint({ origin: log.origin, size, root }, log.signer);
await write({ table: 'log_checkpoints', put: { size, at: systemClock.now(), note, state: null } });

const least = queries.map(() => Number.POSITIVE_INFINITY);
for (let round = 0; round < ROUNDS; round++)
  for (const [number, [, query]] of queries.entries()) {
    // Each page has a new reader, which has proven nothing yet.
    const reader = new LogReader(store, log);
    const before = process.cpuUsage();
    const { items } = await reader.search(query, { limit: 100 });
    const { user, system } = process.cpuUsage(before);
    if (items.length !== 100) throw new Error(`${items.length} of 100 matches`);
    least[number] = Math.min(least[number]!, (user + system) / 1000);
  }
for (const [number, [name]] of queries.entries())
  console.log(`${name.padEnd(20)} ${least[number]!.toFixed(1)} ms`);
await store.close();
await rm(directory, { recursive: true });
