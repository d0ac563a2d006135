import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createBoot } from '../../test/kit/log/created-boot.ts';
import { createChain } from '../../src/audit/chain/chain.ts';
import { checkpointFile } from '../../src/audit/log/checkpoint-file.ts';
import { Integrator } from '../../src/audit/log/integrator.ts';
import { logIdentity } from '../../src/audit/records/log-identity.ts';
import { LocalBatches } from '../../src/audit/records/local-batches.ts';
import { systemClock } from '../../src/process/clock.ts';
import { generateSigningKey } from '../../src/crypto/signatures/signing.ts';
import { openPostgresStore } from '../../src/store/postgres/open-postgres-store.ts';
import { storeClaims } from '../../src/store/claims.ts';
import { createDatabase, startPostgres } from '../../test/kit/backends/postgres.ts';
import { body, startBody } from '../../test/kit/log/log-bench.ts';
import { treeSeconds } from '../machine.ts';
import { readFields } from '../search-log.ts';

/**
 * Processor time of the integrator for entries of other brokers on PostgreSQL, by the size of a commit: `node bench/micro/integrator.ts`. Another boot
 * commits first; then only the integrator works. The lowest round is the most accurate.
 */
const ENTRIES = 8_192;
const COMMIT_SIZES = [1, 4, 16, 64, 256];
const ROUNDS = 4;

const directory = await mkdtemp(join(tmpdir(), 'quaymaster-bench-'));
const postgres = await startPostgres();
const { connectionString } = await createDatabase(postgres);
const log = logIdentity('log.example/bench', generateSigningKey());

/** A process with the store open. */
async function open() {
  const boot = createBoot(log.signer.key, systemClock.now());
  const localBatches = new LocalBatches();
  const deps = {
    chain: createChain(boot, localBatches),
    clock: systemClock,
    mode: 'development',
  } as const;
  const store = await openPostgresStore({ connectionString, poolSize: 4 }, deps);
  await store.commit({ entries: [startBody(boot)] });
  return { boot, localBatches, store };
}

const writer = await open();
const { boot, localBatches, store } = await open();
const integrator = new Integrator({
  store,
  clock: systemClock,
  log,
  localBatches,
  claims: storeClaims(store, systemClock, { owner: boot.writer, alone: false }),
  alone: false,
  intervalMs: 3_600_000,
  outside: checkpointFile(join(directory, 'checkpoint')),
  onError: (error) => {
    throw error;
  },
});
await integrator.start();
await integrator.integrate();

async function commit(size: number): Promise<void> {
  for (let at = 0; at < ENTRIES; at += size) {
    const bodies = Array.from({ length: size }, (_, i) => body(readFields(at + i, Date.now())));
    await Promise.all(bodies.map((each) => writer.store.commit({ entries: [each] })));
  }
}

/** Microseconds of this process and of the server. */
async function measure(work: () => Promise<void>): Promise<readonly [number, number]> {
  const server = (): number => treeSeconds(postgres.processes[0]!.pid) * 1e6;
  const begun = server();
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return [user + system, server() - begun];
}

for (const size of COMMIT_SIZES) {
  const rounds: (readonly [number, number])[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    await commit(size);
    const before = integrator.status().size;
    rounds.push(await measure(() => integrator.integrate()));
    if (integrator.status().size !== before + ENTRIES) throw new Error('not all were integrated');
  }
  const text = (side: 0 | 1): string =>
    rounds
      .map((each) => each[side] / ENTRIES)
      .toSorted((left, right) => left - right)
      .map((each) => each.toFixed(1))
      .join(' ');
  console.log(`commits of ${size}: ${text(0)} us an entry, server ${text(1)} us`);
}
await integrator.close();
await store.close();
await writer.store.close();
await postgres.stop();
await rm(directory, { recursive: true });
