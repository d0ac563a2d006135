import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as loopTurn } from 'node:timers/promises';
import { generateSigningKey } from '../../../src/crypto/signatures/signing.ts';
import type { Store } from '../../../src/ports/store.ts';
import { type Boot } from '../../../src/audit/chain/boot.ts';
import { createBoot } from '../../kit/log/created-boot.ts';
import { systemClock } from '../../../src/process/clock.ts';
import { createChain } from '../../../src/audit/chain/chain.ts';
import { checkpointFile } from '../../../src/audit/log/checkpoint-file.ts';
import { Compactor } from '../../../src/audit/upkeep/compactor.ts';
import { exportLog } from '../../../src/audit/proof/export.ts';
import { storeSource } from '../../../src/audit/proof/export-source.ts';
import { Integrator } from '../../../src/audit/log/integrator.ts';
import { logIdentity } from '../../../src/audit/records/log-identity.ts';
import { LogReader } from '../../../src/audit/log/log-reader.ts';
import { LocalBatches } from '../../../src/audit/records/local-batches.ts';
import { verifyExport } from '../../../src/audit/proof/verify.ts';
import { openPostgresStore } from '../../../src/store/postgres/open-postgres-store.ts';
import { storeClaims } from '../../../src/store/claims.ts';
import { describeWith } from '../../kit/backends/backends.ts';
import { createDatabase } from '../../kit/backends/postgres.ts';
import { HandClock } from '../../kit/time/hand-clock.ts';
import { body, startBody } from '../../kit/log/log-bench.ts';
import { listRows } from '../../kit/store/table-rows.ts';

interface Replica {
  readonly boot: Boot;
  readonly store: Store;
  readonly integrator: Integrator;
}

const COMMITS = 60;

describeWith(['postgres'], 'two replicas on PostgreSQL (F28)', ({ postgres }) => {
  const log = logIdentity('log.example/replicas', generateSigningKey());
  const clock = new HandClock();
  const replicas: Replica[] = [];
  let directory: string;
  let drop: () => Promise<void>;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'replicas-'));
    const database = await createDatabase(postgres);
    drop = () => database.drop();
    for (const name of ['one', 'two']) {
      const boot = createBoot(log.signer.key, clock.now());
      const localBatches = new LocalBatches();
      const store = await openPostgresStore(
        { connectionString: database.connectionString, poolSize: 4 },
        { chain: createChain(boot, localBatches), clock, mode: 'development' },
      );
      const integrator = new Integrator({
        store,
        clock,
        log,
        outside: checkpointFile(join(directory, `checkpoint-${name}`)),
        localBatches,
        claims: storeClaims(store, clock, { owner: boot.writer, alone: false }),
        alone: false,
      });
      await integrator.start();
      await store.commit({ entries: [startBody(boot)] });
      replicas.push({ boot, store, integrator });
    }
  });
  afterAll(async () => {
    for (const { integrator, store } of replicas) {
      await integrator.close();
      await store.close();
    }
    await drop();
    await rm(directory, { recursive: true });
  });

  async function write({ boot, store, integrator }: Replica): Promise<void> {
    for (let i = 0; i < COMMITS; i++) {
      const entries = [body({ requestId: `req_${boot.writer}_${i}` })];
      await Promise.all([store.commit({ entries }), store.commit({ entries })]);
      if (i % 7 === 0) await integrator.integrate();
    }
  }

  it('have one chain each; one of them at a time appends both to the tree, and another can take over', async () => {
    const [one, two] = replicas;
    if (one === undefined || two === undefined) throw new Error('two replicas');
    await Promise.all(replicas.map(write));
    const states = replicas.map(({ integrator }) => integrator.status().state);
    expect([...states].sort()).toEqual(['active', 'standby']);
    const [owner, other] = states[0] === 'active' ? [one, two] : [two, one];
    await owner.integrator.close();
    clock.advance(31_000);
    await other.integrator.integrate();
    const size = 2 * (1 + 2 * COMMITS);
    expect(other.integrator.status()).toMatchObject({ state: 'active', size, broken: [] });
    const target = join(directory, 'export');
    await exportLog(storeSource(other.store, log), target);
    const report = await verifyExport(target);
    expect(report).toMatchObject({ holds: true, size });
    expect(report.writers.map(({ entries }) => entries)).toEqual([size / 2, size / 2]);
    const found = await new LogReader(owner.store, log).search(
      { requestId: `req_${one.boot.writer}_30` },
      { limit: 10 },
    );
    expect(found.items).toHaveLength(2);
  });

  it('compress the log one at a time, while both write', async () => {
    for (let round = 0; round < 6; round++) await Promise.all(replicas.map(write));
    const compactors = replicas.map(
      ({ boot, store }) =>
        new Compactor({
          store,
          reader: new LogReader(store, log),
          clock: { ...systemClock, sleep: () => loopTurn() },
          claims: storeClaims(store, systemClock, { owner: boot.writer, alone: false }),
          isBusy: () => false,
          processorMs: () => 0,
          onProgress: () => undefined,
          onError: (error) => expect(error).toBeUndefined(),
        }),
    );
    const [ran] = await Promise.all([
      Promise.all(compactors.map((compactor) => compactor.run())),
      ...replicas.map(write),
    ]);
    expect(ran.filter(Boolean)).toHaveLength(1);
    await Promise.all(compactors.map((compactor) => compactor.close()));
    const [{ store } = replicas[1]!] = replicas;
    expect((await listRows(store, 'audit_segments', { limit: 100 })).length).toBeGreaterThan(1);
    for (const { integrator } of replicas) await integrator.integrate();
    const target = join(directory, 'compressed');
    await exportLog(storeSource(store, log), target);
    const size = 2 * (1 + 2 * COMMITS * 8);
    expect(await verifyExport(target)).toMatchObject({ holds: true, size });
  });
});
