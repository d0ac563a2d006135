import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { join } from 'node:path';
import { createBoot } from '../../../kit/log/created-boot.ts';
import { surveyLog } from '../../../../src/audit/chain/boot-survey.ts';
import { createChain } from '../../../../src/audit/chain/chain.ts';
import { exportLog } from '../../../../src/audit/proof/export.ts';
import { storeSource } from '../../../../src/audit/proof/export-source.ts';
import { Integrator } from '../../../../src/audit/log/integrator.ts';
import { PendingBatches } from '../../../../src/audit/log/pending-batches.ts';
import { pendingEntries } from '../../../../src/audit/log/pending-entries.ts';
import { verifyExport } from '../../../../src/audit/proof/verify.ts';
import { LOG } from '../../../../src/ports/queries.ts';
import { HandClock } from '../../../kit/time/hand-clock.ts';
import { HookedStore } from '../../../kit/store/hooked-store.ts';
import { body, LogBench, startBody } from '../../../kit/log/log-bench.ts';

let clock: HandClock;
let bench: LogBench;

beforeEach(async () => {
  clock = new HandClock();
  bench = await LogBench.open(clock);
});
afterEach(() => bench.remove());

describe('two replicas on one store', () => {
  /** Commits an entry of another process; the first one announces its boot. */
  async function openOther(): Promise<() => Promise<void>> {
    const other = createBoot(bench.log.signer.key, clock.now());
    const chain = createChain(other);
    const commit = async (entry: string): Promise<void> => {
      const row = chain.stage([entry]);
      await bench.store.commit({ writes: [{ table: 'audit_batches', put: row }] });
      chain.keep();
    };
    await commit(startBody(other));
    return () => commit(body({}));
  }

  it('have one chain each, and one tree holds both (F28)', async () => {
    const other = createBoot(bench.log.signer.key, clock.now());
    const chain = createChain(other);
    for (let i = 0; i < 30; i++) {
      const row = chain.stage(i === 0 ? [startBody(other)] : [body({}), body({})]);
      await bench.store.commit({ writes: [{ table: 'audit_batches', put: row }] });
      chain.keep();
      for (let n = 0; n < 2; n++) await bench.record({}, {});
      if (i % 10 === 9) await bench.integrate();
    }
    const size = 1 + 30 * 4 + 1 + 29 * 2;
    expect(bench.integrator.status()).toMatchObject({ size, broken: [] });
    const directory = join(bench.directory, 'export');
    await exportLog(storeSource(bench.store, bench.log), directory);
    const report = await verifyExport(directory);
    expect(report).toMatchObject({ holds: true, size });
    expect(report.writers.map(({ entries }) => entries).sort()).toEqual([121, 59]);
  });

  it('get the first entry after an idle hour into the tree within two seconds', async () => {
    const integrator = bench.newIntegrator('one', false);
    const commit = await openOther();
    await integrator.start();
    await integrator.append();
    expect(integrator.status().size).toBe(2);
    for (let ms = 0; ms < 3_600_000; ms += 500_000) {
      clock.advance(500_000);
      await integrator.append();
    }
    await commit();
    for (let ms = 0; ms < 2_000; ms += 250) {
      clock.advance(250);
      await integrator.append();
    }
    expect(integrator.status()).toMatchObject({ size: 3, broken: [] });
    await integrator.close();
  });

  it('have no checkpoint that claims the time of an entry which is not in the tree', async () => {
    const integrator = bench.newIntegrator('one', false);
    const commit = await openOther();
    await integrator.start();
    await integrator.append();
    clock.advance(3_600_000);
    await integrator.append();
    clock.advance(100);
    const committedAt = clock.now();
    await commit();
    clock.advance(100);
    await bench.record({});
    await integrator.append();
    const at = async (): Promise<number | undefined> =>
      (await bench.store.list(LOG.newestCheckpoints(), { limit: 1 }))[0]?.at;
    expect(integrator.status().size).toBe(3);
    expect(await at()).toBeLessThan(committedAt);
    await integrator.integrate();
    expect(integrator.status().size).toBe(4);
    expect(await at()).toBeGreaterThan(committedAt);
    await integrator.close();
  });

  it('are written in one plan when one has committed much', async () => {
    const boot = createBoot(bench.log.signer.key, clock.now());
    const chain = createChain(boot);
    for (let i = 0; i < 10; i++) {
      const events = Array.from({ length: 200 }, () => body({}));
      const put = chain.stage(i === 0 ? [startBody(boot)] : events);
      await bench.store.commit({ writes: [{ table: 'audit_batches', put }] });
      chain.keep();
    }
    const store = new HookedStore(bench.store);
    const sizes: number[] = [];
    store.beforeCommit = ({ writes = [] }) => {
      for (const write of writes)
        if (write.table === 'log_checkpoints' && 'put' in write) sizes.push(write.put.size);
    };
    const integrator = new Integrator({ ...bench.integratorOptions(), store });
    await integrator.start();
    await integrator.integrate();
    expect(sizes).toEqual([1 + 1 + 9 * 200]);
    await integrator.close();
  });

  it('take turns, so that many entries of one do not delay those of the other', async () => {
    const boots = [0, 1].map((ms) => createBoot(bench.log.signer.key, clock.now() + ms));
    for (const boot of boots) {
      const chain = createChain(boot);
      for (let i = 0; i < 3; i++) {
        const events = Array.from({ length: 300 }, () => body({}));
        const put = chain.stage(i === 0 ? [startBody(boot)] : events);
        await bench.store.commit({ writes: [{ table: 'audit_batches', put }] });
        chain.keep();
      }
    }
    const pending = new PendingBatches(bench.store, bench.log.verifier.key, clock);
    const reads: string[][] = [];
    do {
      const names = new Set<string>();
      await pending.read(({ row }) => names.add(row.writer));
      reads.push([...names]);
    } while (!pending.drained);
    const [first, second] = boots.map(({ writer }) => writer);
    expect(reads.slice(0, 2).map((names) => names.at(-1))).toEqual([first, second]);
  });
});

describe('a start', () => {
  it('makes the same number of queries, however many boots have ended', async () => {
    const counts: number[] = [];
    for (const boots of [1, 10]) {
      for (let n = 0; n < boots; n += 1) {
        await bench.store.commit({ entries: [body({ action: 'broker.stop', path: undefined })] });
        await bench.integrate();
        await bench.stop();
        clock.advance(1_000);
        await bench.restart();
      }
      await bench.integrate();
      const { store } = bench;
      let count = 0;
      const counted = new HookedStore(store);
      counted.get = (...args) => (count++, store.get(...args));
      counted.list = (...args) => (count++, store.list(...args));
      await surveyLog(counted, bench.log, bench.boot, 'test');
      await new PendingBatches(counted, bench.log.verifier.key, clock).read(() => undefined);
      await pendingEntries(counted);
      counts.push(count);
    }
    expect(counts[1]).toBe(counts[0]);
  });
});
