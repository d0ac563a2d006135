import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { generateSigningKey } from '../../../../src/crypto/signatures/signing.ts';
import { createBoot } from '../../../kit/log/created-boot.ts';
import { createChain } from '../../../../src/audit/chain/chain.ts';
import type { ChainedBatch } from '../../../../src/audit/records/chained-batch.ts';
import type { Store, TableName } from '../../../../src/ports/store.ts';
import { LocalBatches } from '../../../../src/audit/records/local-batches.ts';
import { PendingBatches } from '../../../../src/audit/log/pending-batches.ts';
import { HandClock } from '../../../kit/time/hand-clock.ts';
import { body, LogBench, startBody } from '../../../kit/log/log-bench.ts';

const sequence = (batches: readonly ChainedBatch[]): readonly number[] =>
  batches.map(({ row }) => row.first_seq);

describe('a chain', () => {
  it('reports a batch once it is durable, and never a dropped one', () => {
    const own = new LocalBatches();
    const told: ChainedBatch[] = [];
    const end = own.follow((batch) => told.push(batch));
    const boot = createBoot(generateSigningKey(), 0);
    const chain = createChain(boot, own);
    chain.stage([startBody(boot)]);
    chain.drop();
    const row = chain.stage([startBody(boot), body({})]);
    expect(told).toEqual([]);
    chain.keep();
    expect(told.map((batch) => batch.row)).toEqual([row]);
    expect(Buffer.from(`${told[0]?.entries.join('\n')}\n`)).toEqual(row.entries);
    end();
    chain.stage([body({})]);
    chain.keep();
    expect(told).toHaveLength(1);
  });
});

describe('a batch of this process', () => {
  let bench: LogBench;
  let pending: PendingBatches;
  let told: ChainedBatch[];
  let read: ChainedBatch[];

  beforeEach(async () => {
    const clock = new HandClock();
    bench = await LogBench.open(clock);
    told = [];
    bench.own.follow((batch) => told.push(batch));
    pending = new PendingBatches(bench.store, bench.log.verifier.key, clock);
    await readStore();
    for (let i = 0; i < 3; i++) await bench.record({});
  });
  afterEach(() => bench.remove());

  async function readStore(): Promise<void> {
    read = [];
    await pending.read((batch) => read.push(batch));
  }

  const accepted = (): readonly boolean[] => told.map((batch) => pending.accepts(batch));

  it('is used if it is the next one, and then not read from the store', async () => {
    expect(accepted()).toEqual([true, true, true]);
    await readStore();
    expect(read).toEqual([]);
  });

  it('is read from the store when an earlier one is missing', async () => {
    told.shift();
    expect(accepted()).toEqual([false, false]);
    await readStore();
    expect(sequence(read)).toEqual([2, 3, 4]);
    told = [];
    await bench.record({});
    expect(accepted()).toEqual([true]);
  });

  it('is not used when the store was faster', async () => {
    await readStore();
    expect(sequence(read)).toEqual([2, 3, 4]);
    expect(accepted()).toEqual([false, false, false]);
  });

  it('is not used once its chain was found invalid in the store', async () => {
    const row = told[0]?.row;
    if (row === undefined) throw new Error('no batch');
    const entries = Buffer.from(row.entries).fill('x', 0, 1);
    await bench.store.commit({ writes: [{ table: 'audit_batches', put: { ...row, entries } }] });
    await readStore();
    expect(pending.broken()).toEqual([{ writer: row.writer, seq: 2, why: 'entry_altered' }]);
    expect(accepted()).toEqual([false, false, false]);
  });
});

describe('an earlier boot', () => {
  it('is announced by a row that is read only when the boot has pending batches', async () => {
    const clock = new HandClock();
    const bench = await LogBench.open(clock);
    await bench.record({});
    await bench.integrate();
    const announcements: unknown[] = [];
    const { store } = bench;
    const counted = {
      list: store.list.bind(store),
      pendingWriters: store.pendingWriters.bind(store),
      get: (table: TableName, key: { writer: string; first_seq: number }) => {
        if (table === 'audit_batches' && key.first_seq === 1) announcements.push(key);
        return store.get(table, key);
      },
    } as unknown as Store;
    const pending = new PendingBatches(counted, bench.log.verifier.key, clock);
    const read: ChainedBatch[] = [];
    await pending.read((batch) => read.push(batch));
    expect([read, announcements]).toEqual([[], []]);
    await bench.record({});
    pending.sweepNext();
    await pending.read((batch) => read.push(batch));
    expect(sequence(read)).toEqual([3]);
    expect(announcements).toHaveLength(1);
    expect(pending.broken()).toEqual([]);
    await bench.remove();
  });
});
