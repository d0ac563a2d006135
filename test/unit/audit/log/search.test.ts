import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { sha256Hex } from '../../../../src/crypto/hashes/digest.ts';
import { verifyConsistency, verifyInclusion } from '../../../../src/crypto/log/proofs.ts';
import { decodeBundle } from '../../../../src/crypto/log/tiles.ts';
import {
  encodeActor,
  encodeClient,
  encodeLocator,
} from '../../../../src/domain/audit/audit-event.ts';
import { refusedText } from '../../../../src/domain/audit/audit-text.ts';
import type { AuditQuery } from '../../../../src/ports/audit-log.ts';
import { matches, queryTerms } from '../../../../src/audit/log/entry-query.ts';
import { scanEntry } from '../../../../src/audit/log/entry-scan.ts';
import { readRoot } from '../../../../src/audit/log/stored-tree.ts';
import { HandClock } from '../../../kit/time/hand-clock.ts';
import { LogBench, workloadActor, type EventFields } from '../../../kit/log/log-bench.ts';

const START = Date.UTC(2026, 0, 1);
const HOUR = 3_600_000;
const COUNT = 3000;
const clock = new HandClock(START);
let bench: LogBench;

const ACTORS = ['api', 'web', 'job'].map((name) => workloadActor(name));
const client = encodeClient({ address: '10.0.0.1', requestId: '","path":"forged' }, sha256Hex);

/** Entry n: workload by thirds, path by sevenths, a minute every thirty. */
function event(n: number): EventFields {
  return {
    time: clock.now(),
    actor: ACTORS[n % 3],
    client,
    requestId: `req_${n}`,
    path: `team${n % 7}/db/main`,
    version: String(n % 5),
    lease: `lea_${n % 100}`,
    fingerprint: `fp_${n % 7}`,
    ...(n % 11 === 0 ? { outcome: 'deny', code: 'ERR_DENIED' } : {}),
  } as EventFields;
}

beforeAll(async () => {
  bench = await LogBench.open(clock);
  for (let n = 0; n < COUNT; n += 30) {
    await bench.record(...Array.from({ length: 30 }, (_, i) => event(n + i)));
    clock.advance(60_000);
    if (n % 300 === 0) await bench.integrate();
  }
  await bench.record({
    time: clock.now(),
    action: 'document.write',
    path: undefined,
    document: { kind: 'policy', name: 'payments', version: 3 },
    actor: encodeActor({ kind: 'operator', operator: 'ada', token: 'tok_1' }, sha256Hex),
  });
  await bench.record({
    time: clock.now(),
    action: 'pod.end',
    path: undefined,
    pod: { cluster: 'c1', namespace: 'ns-api', name: 'api-pod', uid: 'uid-api-pod' },
  });
  await bench.record(
    ...['vault:secret/data/db', 'vault:secret/data/db#password'].map((place, index) => ({
      time: clock.now(),
      path: `other/alias-${index}`,
      locator: encodeLocator('vault', place.slice(6), sha256Hex),
    })),
  );
  await bench.record({
    time: clock.now(),
    action: 'request.refused_summary',
    path: 'other/x',
    refused: 'secret.list',
    count: 7,
    since: clock.now(),
    last: clock.now(),
  });
  await bench.record({
    time: clock.now(),
    path: refusedText(`long/${'p'.repeat(300)}`, sha256Hex),
  });
  await bench.integrate();
});
afterAll(() => bench.remove());

async function all(query: AuditQuery, limit = 100): Promise<number[]> {
  const found: number[] = [];
  let after: string | undefined;
  do {
    const page = await bench.reader.search(query, { limit, after });
    expect(page.items.length).toBeLessThanOrEqual(limit);
    found.push(...page.items.map(({ index }) => index));
    after = page.next;
  } while (after !== undefined);
  return found;
}

/** The reference: filters every entry one by one, newest first. */
async function oracle(query: AuditQuery): Promise<number[]> {
  const entries = await bench.reader.entries(0, COUNT + 10);
  const wanted = queryTerms(query);
  return entries
    .filter(({ entry }) => {
      const scan = scanEntry(entry);
      return scan !== undefined && matches(entry, scan, query, wanted);
    })
    .map(({ index }) => index)
    .reverse();
}

const QUERIES: readonly (readonly [string, AuditQuery, number])[] = [
  ['a workload', { workload: 'k8s://c1/ns-api/api' }, 1000],
  ['a cluster', { cluster: 'c1' }, 3001],
  ['a namespace', { namespace: 'ns-web' }, 1000],
  ['a pod by its name', { pod: 'api-pod' }, 1001],
  ['a pod by its UID, and the end of the pod', { pod: 'uid-api-pod' }, 1001],
  ['a path', { path: 'team3/db/main' }, 429],
  ['a path and a pod', { path: 'team3/db/main', pod: 'api-pod' }, 143],
  ['a path and the UID of a pod', { path: 'team3/db/main', pod: 'uid-web-pod' }, 143],
  ['a path and a session', { path: 'team3/db/main', session: 'ses_job' }, 143],
  ['a path and a pod that never read it', { path: 'other/x', pod: 'api-pod' }, 0],
  ['a path of an operator', { path: 'team3/db/main', operator: 'ada' }, 0],
  ['a cut path of a pod', { path: `long/${'p'.repeat(300)}`, pod: 'api-pod' }, 0],
  ['a path that is only a prefix of others', { path: 'team3/db' }, 0],
  ['a path prefix by whole segments', { pathPrefix: 'team3' }, 429],
  ['not half a segment', { pathPrefix: 'team' }, 0],
  ['an outcome', { outcome: 'deny' }, 273],
  ['a code of one workload', { code: 'ERR_DENIED', workload: 'k8s://c1/ns-job/job' }, 91],
  ['an action', { action: 'document.write' }, 1],
  ['an operator', { operator: 'ada' }, 1],
  ['an operator token', { token: 'tok_1' }, 1],
  ['a system actor', { system: 'broker' }, 6],
  ['a place at a backend, whatever path leads there', { locator: 'vault:secret/data/db' }, 2],
  ['a place with the one key that was meant', { locator: 'vault:secret/data/db#password' }, 1],
  ['the action that a summary counts', { action: 'secret.list' }, 1],
  ['a path that a refusal has cut', { path: `long/${'p'.repeat(300)}` }, 1],
  ['a document', { document: 'policy/payments' }, 1],
  ['a request', { requestId: 'req_1234' }, 1],
  ['a lease', { lease: 'lea_42' }, 30],
  ['a session', { session: 'ses_web' }, 1000],
  ['a fingerprint and a version', { fingerprint: 'fp_2', version: '4' }, 86],
  ['an unknown workload', { workload: 'k8s://c1/ns-api/unknown' }, 0],
  ['a path that a client only claims', { path: 'forged' }, 0],
  ['an hour', { from: START + HOUR, to: START + HOUR + 60_000 }, 30],
  ['a workload until a time', { namespace: 'ns-api', to: START + 60_000 }, 10],
  ['everything', {}, 3007],
];

describe('a search', () => {
  it.each(QUERIES)('finds %s, newest first (A13)', async (_, query, count) => {
    const found = await all(query);
    expect(found).toEqual(await oracle(query));
    expect(found).toHaveLength(count);
  });

  it('pages without losing or repeating an entry', async () => {
    const query = { namespace: 'ns-api' };
    expect(await all(query, 7)).toEqual(await all(query, 1000));
  });

  it.each<AuditQuery>([{}, { namespace: 'ns-api' }, { lease: 'lea_7' }, { operator: 'ada' }])(
    'gets on from page to page if each page must end as it begins: %j',
    async (query) => {
      const found: number[] = [];
      const signal = AbortSignal.abort();
      for (let after: string | undefined, last = Number.POSITIVE_INFINITY; ;) {
        const page = await bench.reader.search(query, { limit: 1000, after }, { signal });
        found.push(...page.items.map(({ index }) => index));
        if (page.next === undefined) break;
        expect(Number(page.next)).toBeLessThan(last);
        [after, last] = [page.next, Number(page.next)];
      }
      expect(found).toEqual(await all(query));
    },
  );

  it('finds the same after a restart of the integrator in the middle of a bundle', async () => {
    await bench.stop();
    await bench.restart();
    await bench.integrate();
    const query = { lease: 'lea_42' };
    expect(await all(query)).toEqual(await oracle(query));
  });

  it('refuses an invalid cursor', async () => {
    for (const after of ['-1', '1e3', 'x', '01', '']) {
      await expect(bench.reader.search({}, { limit: 1, after })).rejects.toMatchObject({
        code: 'ERR_REQUEST_INVALID',
      });
    }
  });
});

describe('the reader', () => {
  it('proves each entry against the signed root', async () => {
    for (const index of [0, 1, 255, 256, 1000, 2999]) {
      const { leaf, hashes, checkpoint } = await bench.reader.proveEntry(index);
      expect(verifyInclusion({ leaf, index, ...checkpoint }, hashes)).toBe(true);
    }
    await expect(bench.reader.proveEntry(99_999)).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' });
  });

  it('proves that the log only grew', async () => {
    const checkpoint = (await bench.reader.checkpoint())!;
    const { size } = checkpoint;
    for (const first of [1, 256, 300, size]) {
      const hashes = await bench.reader.proveGrowth(first, checkpoint);
      const firstRoot = await readRoot(bench.store, first);
      const claim = { first, firstRoot, second: size, secondRoot: checkpoint.root };
      expect(verifyConsistency(claim, hashes)).toBe(true);
    }
    await expect(bench.reader.proveGrowth(0, checkpoint)).rejects.toMatchObject({
      code: 'ERR_NOT_FOUND',
    });
  });

  it('serves tiles and entry bundles under their C2SP paths and nothing else', async () => {
    const size = await bench.reader.size();
    const width = size % 256;
    expect(await bench.reader.file('tile/0/000')).toHaveLength(8192);
    expect(await bench.reader.file('tile/0/000.p/7')).toHaveLength(7 * 32);
    expect(await bench.reader.file(`tile/1/000.p/${Math.floor(size / 256)}`)).toBeDefined();
    const bundle = await bench.reader.file(`tile/entries/011.p/${width}`);
    expect(decodeBundle(bundle ?? new Uint8Array())).toHaveLength(width);
    for (const path of [
      'tile/0/0',
      'tile/-1/000',
      'tile/0/x001/000',
      'tile/2/000',
      'x',
      'tile/entries/011',
    ]) {
      expect(await bench.reader.file(path)).toBeUndefined();
    }
  });
});
