import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../src/process/clock.ts';
import type { Plan, Store } from '../../src/ports/store.ts';
import { openPostgresStore } from '../../src/store/postgres/open-postgres-store.ts';
import { openSqliteStore } from '../../src/store/sqlite/open-sqlite-store.ts';
import { FakeAuditChain } from '../../test/kit/fakes/fake-audit-chain.ts';
import { leaseRow } from '../../test/kit/fakes/store-rows.ts';

/**
 * Plans and commits per second of one process: `node bench/micro/store.ts`, or with a connection string for PostgreSQL. The plans are a
 * read with an existing lease, a read that creates a lease, and one plan per loop turn.
 */
const [connectionString] = process.argv.slice(2);
const ENTRY = JSON.stringify({ action: 'secret.read', pad: 'x'.repeat(240) });
const READS = ['session:ses_1', 'policies', 'cluster:c1', 'pod:c1/abc', 'secret:payments/db'];
const ROUND_MS = 2_000;

async function measure(store: Store, name: string, width: number, plan: () => Plan): Promise<void> {
  const start = performance.now();
  const cpu = process.cpuUsage();
  let turns = 0;
  while (performance.now() - start < ROUND_MS) {
    await Promise.all(Array.from({ length: width }, () => store.commit(plan())));
    turns += 1;
  }
  const seconds = (performance.now() - start) / 1_000;
  const { user, system } = process.cpuUsage(cpu);
  const plans = turns * width;
  const rates = [
    `${Math.round(plans / seconds)} plans/s`,
    `${Math.round(turns / seconds)} commits/s`,
  ];
  console.log(
    `${name}: ${rates.join(', ')}, ${((user + system) / plans).toFixed(1)} us of CPU a plan`,
  );
}

const directory = mkdtempSync(join(tmpdir(), 'quaymaster-bench-'));
const deps = { chain: new FakeAuditChain(), clock: systemClock, mode: 'development' } as const;
const rss = process.memoryUsage().rss;
const store =
  connectionString === undefined
    ? await openSqliteStore({ path: join(directory, 'store.db') }, deps)
    : await openPostgresStore({ connectionString, poolSize: 4 }, deps);
console.log(`opening took ${((process.memoryUsage().rss - rss) / 1e6).toFixed(1)} MB of memory`);

let leases = 0;
const read = (): Plan => ({
  decidedAt: store.seq(),
  reads: READS,
  notAfter: systemClock.now() + 60_000,
  entries: [ENTRY],
});
const lease = (): Plan => {
  leases += 1;
  const id = `lea_${process.pid}_${leases}`;
  return {
    ...read(),
    expect: [{ table: 'leases', key: { id }, absent: true }],
    writes: [{ table: 'leases', put: leaseRow(id) }],
  };
};
for (let round = 0; round < 3; round += 1) {
  await measure(store, 'reads, 64 a turn', 64, read);
  await measure(store, 'reads with a new lease, 64 a turn', 64, lease);
  await measure(store, 'reads, 1 a turn', 1, read);
}
await store.close();
rmSync(directory, { recursive: true });
