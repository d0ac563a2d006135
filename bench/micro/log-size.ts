import Database from 'better-sqlite3';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { sha256Hex } from '../../src/crypto/digest.ts';
import { randomId } from '../../src/crypto/random.ts';
import { encodeActor, encodeClient, encodeLocator } from '../../src/domain/audit-event.ts';
import type { AuditQuery } from '../../src/ports/audit-log.ts';
import { HandClock } from '../../test/kit/hand-clock.ts';
import { LogBench, type EventFields } from '../../test/kit/log-bench.ts';

/**
 * Fills a log with reads, and prints what each table takes on disk before and after compaction, and how long the first page of a search takes:
 * `node bench/micro/log-size.ts --entries 100000 --commit 30`.
 */
const { values } = parseArgs({
  options: {
    entries: { type: 'string', default: '100000' },
    /** Entries of one commit. */
    commit: { type: 'string', default: '30' },
  },
});

const POD = 'api-7d9f8b6c5d-abcde';
const WORKLOAD = {
  cluster: 'prod',
  namespace: 'payments',
  serviceAccount: 'api',
  serviceAccountUid: '6f3c1f0e-0000-4000-8000-000000000001',
  pod: { name: POD, uid: '6f3c1f0e-0000-4000-8000-000000000002' },
};

/** The entries of 50 pods that read three secrets again and again. */
const pods = Array.from({ length: 50 }, () => ({
  actor: encodeActor({ kind: 'workload', workload: WORKLOAD, session: randomId('ses') }, sha256Hex),
  leases: ['payments/db', 'payments/queue', 'payments/mail'].map((path) => ({
    path,
    lease: randomId('lea'),
  })),
}));

function read(index: number, time: number): EventFields {
  const { actor, leases } = pods[index % pods.length]!;
  const { path, lease } = leases[index % leases.length]!;
  const client = { address: '10.1.2.3', method: 'GET', target: `/api/v1/secrets/${path}` };
  return {
    time,
    requestId: randomId('req'),
    actor,
    client: encodeClient({ ...client, userAgent: 'quaymaster-agent/1.0' }, sha256Hex),
    path,
    version: '3',
    mount: 'payments',
    locator: encodeLocator('vault', `secret/data/${path}`, sha256Hex),
    lease,
    fingerprint: `v2.${sha256Hex(path).slice(0, 22)}`,
    policy: { name: 'payments-read', version: 2, rule: 'db' },
    endsAt: time + 900_000,
  };
}

function printSizes(path: string, entries: number): void {
  const database = new Database(path, { readonly: true });
  const rows = database
    .prepare('SELECT name, sum(pgsize) AS bytes FROM dbstat GROUP BY name ORDER BY bytes DESC')
    .all() as readonly { readonly name: string; readonly bytes: number }[];
  database.close();
  const total = rows.reduce((sum, { bytes }) => sum + bytes, 0);
  for (const { name, bytes } of rows.filter((row) => row.bytes > total / 200))
    console.log(`${name.padEnd(40)} ${(bytes / entries).toFixed(1)} bytes an entry`);
  console.log(`${'in all'.padEnd(40)} ${(total / entries).toFixed(1)} bytes an entry`);
}

/** Every kind of filter, for an entry of the middle of the log. */
async function printSearches(): Promise<void> {
  const { reader } = bench;
  const [middle] = await reader.entries(entries / 2, entries / 2 + 1);
  const { time, requestId } = JSON.parse(middle!.entry) as { time: string; requestId: string };
  const at = Date.parse(time);
  const { actor, leases } = pods[0]!;
  const queries: Readonly<Record<string, AuditQuery>> = {
    'no filter': {},
    'a request': { requestId },
    'a request that is not there': { requestId: randomId('req') },
    'a time range in the middle': { from: at - 1000, to: at + 1000 },
    'a path in a time range': { path: 'payments/db', from: at - 1000, to: at + 1000 },
    'a session': { session: /"session":"([^"]*)"/.exec(String(actor))?.[1] },
    'a lease before a time': { lease: leases[0]!.lease, to: at },
    'a path prefix': { pathPrefix: 'payments' },
    'the start of the broker': { action: 'broker.start' },
    'an outcome that is not there': { outcome: 'deny' },
  };
  for (const [name, query] of Object.entries(queries)) {
    const begun = performance.now();
    const { items, next } = await reader.search(query, { limit: 100 });
    const took = (performance.now() - begun).toFixed(1);
    console.log(`${name.padEnd(40)} ${took} ms, ${items.length} entries${next ? ', more' : ''}`);
  }
}

const clock = new HandClock();
const bench = await LogBench.open(clock);
const [entries, commit] = [Number(values.entries), Number(values.commit)];
for (let at = 0; at < entries; at += commit) {
  clock.advance(10);
  const now = clock.now();
  await bench.record(...Array.from({ length: commit }, (_, i) => read(at + i, now)));
  if (Math.floor(at / 4096) !== Math.floor((at + commit) / 4096)) await bench.integrate();
}
await bench.integrate();
await bench.stop();
const path = join(bench.directory, 'store', 'log.sqlite');
printSizes(path, entries);
await bench.restart();
const begun = process.cpuUsage();
await bench.compact();
const { user, system } = process.cpuUsage(begun);
console.log(
  `compacted in ${(user / entries).toFixed(1)} + ${(system / entries).toFixed(1)} microseconds an entry, user and system`,
);
await printSearches();
await bench.stop();
printSizes(path, entries);
await rm(bench.directory, { recursive: true });
