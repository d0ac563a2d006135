import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as loopTurn } from 'node:timers/promises';
import { signCheckpoint } from '../../../../src/crypto/log/checkpoint.ts';
import { leafHash, TreeAccumulator } from '../../../../src/crypto/log/merkle.ts';
import { generateSigningKey } from '../../../../src/crypto/signatures/signing.ts';
import { createBoot } from '../../../kit/log/created-boot.ts';
import { createChain } from '../../../../src/audit/chain/chain.ts';
import { surveyLog } from '../../../../src/audit/chain/boot-survey.ts';
import { exportLog } from '../../../../src/audit/proof/export.ts';
import { storeSource } from '../../../../src/audit/proof/export-source.ts';
import { verifyExport } from '../../../../src/audit/proof/verify.ts';
import type { CheckpointStorage } from '../../../../src/ports/checkpoint-storage.ts';
import { Integrator } from '../../../../src/audit/log/integrator.ts';
import { systemClock } from '../../../../src/process/clock.ts';
import { storeClaims } from '../../../../src/store/claims.ts';
import type { Claims } from '../../../../src/ports/claims.ts';
import { leafHashes } from '../../../../src/audit/records/entry.ts';
import { LastCommitFile } from '../../../../src/audit/records/last-commit.ts';
import { logIdentity } from '../../../../src/audit/records/log-identity.ts';
import { until } from '../../../kit/backends/until.ts';
import { HandClock } from '../../../kit/time/hand-clock.ts';
import { body, LogBench, startBody, type EventFields } from '../../../kit/log/log-bench.ts';
import { listRows } from '../../../kit/store/table-rows.ts';

let clock: HandClock;
let bench: LogBench;

beforeEach(async () => {
  clock = new HandClock();
  bench = await LogBench.open(clock);
});
afterEach(() => bench.remove());

async function record(count: number, a_batch = 50): Promise<void> {
  for (let i = 0; i < count; i += a_batch) {
    const size = Math.min(a_batch, count - i);
    await bench.record(
      ...Array.from({ length: size }, (_, k): EventFields => ({ requestId: `req_${i + k}` })),
    );
  }
}

describe('the integrator', () => {
  it('puts every committed entry into the tree that its checkpoint signs', async () => {
    await record(700);
    await bench.integrate();
    await record(13);
    await bench.integrate();
    const checkpoint = await bench.reader.checkpoint();
    expect(checkpoint?.size).toBe(714);
    const tree = new TreeAccumulator();
    for (const { entry } of await bench.reader.entries(0, 714)) {
      tree.append(leafHash(Buffer.from(entry)));
    }
    expect(Buffer.from(tree.root())).toEqual(Buffer.from(checkpoint?.root ?? []));
    expect(await bench.checkpointFile.read()).toBe(checkpoint?.note);
  });

  it('continues the tree after a restart, with the entries of the crashed boot', async () => {
    await record(300);
    await bench.integrate();
    await record(20);
    await bench.stop();
    await bench.restart();
    await record(5);
    await bench.integrate();
    expect(bench.integrator.status()).toMatchObject({ state: 'active', size: 328, broken: [] });
    await expect(bench.reader.proveEntry(326)).resolves.toMatchObject({ index: 326 });
    const newest = (await bench.reader.checkpoint())!;
    await expect(bench.reader.proveGrowth(301, newest)).resolves.toBeDefined();
  });

  it('runs by itself every quarter of a second', async () => {
    await bench.integrator.start();
    await record(3);
    clock.advance(250);
    await bench.integrator.integrate();
    expect(bench.integrator.status()).toMatchObject({ state: 'active', size: 4 });
  });

  it('syncs a last-commit file in each round, and the checkpoint file only once a second', async () => {
    const lastCommit = new LastCommitFile(join(bench.directory, 'last'));
    const sync = jest.spyOn(lastCommit, 'sync');
    lastCommit.follow(bench.own);
    const integrator = new Integrator({ ...bench.integratorOptions(), lastCommit });
    await integrator.start();
    const sizes: (string | undefined)[] = [];
    for (let round = 1; round <= 5; round += 1) {
      await record(1);
      clock.advance(250);
      await until('the round is over', () => Promise.resolve(sync.mock.calls.length === round));
      await loopTurn();
      sizes.push((await bench.checkpointFile.read())?.split('\n')[1]);
    }
    expect(sizes).toEqual(['2', '2', '2', '2', '6']);
    await record(1);
    await integrator.integrate();
    expect((await bench.checkpointFile.read())?.split('\n')[1]).toBe('7');
    await integrator.close();
    lastCommit.close();
  });

  it('waits while another process has the claim, and takes over when the claim expires', async () => {
    const [one, two] = [bench.newIntegrator('one', false), bench.newIntegrator('two', false)];
    await one.start();
    await two.start();
    await one.integrate();
    await two.integrate();
    expect([one.status().state, two.status().state]).toEqual(['active', 'standby']);
    await record(2);
    clock.advance(31_000);
    await two.integrate();
    expect(two.status()).toMatchObject({ state: 'active', size: 3 });
    await one.integrate();
    expect(one.status()).toMatchObject({ state: 'standby' });
    await one.close();
    await two.close();
  });

  it('takes over from a killed process within five seconds', async () => {
    const [killed, next] = [bench.newIntegrator('one', false), bench.newIntegrator('two', false)];
    await killed.start();
    await killed.integrate();
    await next.start();
    await next.integrate();
    await record(2);
    let ms = 0;
    for (; next.status().state !== 'active'; ms += 250) {
      clock.advance(250);
      await next.integrate();
    }
    expect(ms).toBeLessThanOrEqual(4_250);
    expect(next.status()).toMatchObject({ size: 3 });
    await next.close();
  });

  it('leaves the claim to a process that renews it, although the clocks differ by 20 seconds', async () => {
    const [one, two] = ['one', 'two'].map((owner, index) =>
      storeClaims(
        bench.store,
        {
          ...systemClock,
          now: () => clock.now() + index * 20_000,
          monotonic: () => clock.monotonic(),
        },
        { owner, alone: false },
      )('audit-integrator', 4_000),
    );
    for (let ms = 0; ms < 60_000; ms += 250) {
      expect(await one?.take()).toMatchObject({ owner: 'one', epoch: 1 });
      expect(await two?.take()).toBeUndefined();
      clock.advance(250);
    }
  });

  it('commits nothing of an owner that was paused while another took over', async () => {
    const of = (owner: string): Claims =>
      storeClaims(bench.store, clock, { owner, alone: false })('audit-integrator');
    const paused = await of('one').take();
    clock.advance(31_000);
    const next = await of('two').take();
    expect(next).toMatchObject({ owner: 'two', epoch: (paused?.epoch ?? 0) + 1 });
    if (paused === undefined) throw new Error('no claim');
    const outcome = await bench.store.commit({ expect: [of('one').isHeld(paused)], writes: [] });
    expect(outcome.status).toBe('conflict');
  });

  it('is given to one of two processes that take a free claim at the same time', async () => {
    const [one, two] = ['one', 'two'].map((owner) =>
      storeClaims(bench.store, clock, { owner, alone: false })('audit-integrator'),
    );
    await one!.giveUp((await one!.take())!);
    const taken = await Promise.all([one!.take(), two!.take()]);
    expect(taken.filter((claim) => claim !== undefined)).toHaveLength(1);
  });

  it('hashes leaves as RFC 6962 requires', () => {
    const entries = ['{"a":1}', '', '{"b":2}'];
    const bytes = Buffer.from(entries.map((entry) => `${entry}\n`).join(''));
    const expected = entries.map((entry) => leafHash(Buffer.from(entry)));
    expect(leafHashes(bytes)).toEqual(expected);
  });
});

describe('a commit of this process during an integration', () => {
  /** The integrator has an open session with the store, so that batches come from memory. */
  beforeEach(() => bench.integrate());

  it('is in the tree as committed, whatever happened to it in the store, which detects it', async () => {
    await record(6, 3);
    const { writer } = bench.boot;
    const row = await bench.store.get('audit_batches', { writer, first_seq: 2 });
    if (row === undefined) throw new Error('no batch');
    const entries = Buffer.from(Buffer.from(row.entries).toString().replace('req_1', 'req_9'));
    await bench.store.commit({ writes: [{ table: 'audit_batches', put: { ...row, entries } }] });
    await bench.integrate();
    expect(bench.integrator.status()).toMatchObject({ size: 7, broken: [] });
    await expect(bench.reader.proveEntry(2)).rejects.toMatchObject({
      code: 'ERR_CIPHERTEXT_INVALID',
    });
    const directory = join(bench.directory, 'export');
    await exportLog(storeSource(bench.store, bench.log), directory);
    const { findings } = await verifyExport(directory);
    expect(findings).toContainEqual(expect.objectContaining({ what: 'entry_altered', index: 2 }));
  });

  it('is written before the interval is over when much is waiting, and the external file follows later', async () => {
    const before = await bench.checkpointFile.read();
    await record(300, 1);
    while (bench.integrator.status().size < 250) await loopTurn();
    expect(await bench.checkpointFile.read()).toBe(before);
    await bench.integrate();
    const checkpoint = await bench.reader.checkpoint();
    expect(checkpoint?.size).toBe(301);
    expect(await bench.checkpointFile.read()).toBe(checkpoint?.note);
  });

  it('is appended once when another process took over and stopped while this one was paused', async () => {
    const other = createBoot(bench.log.signer.key, clock.now() - 1000);
    const chain = createChain(other);
    for (let turn = 0; turn < 3; turn++) {
      await record(4, 2);
      const row = chain.stage([turn === 0 ? startBody(other) : body({})]);
      await bench.store.commit({ writes: [{ table: 'audit_batches', put: row }] });
      chain.keep();
      const later = new HandClock(clock.now() + 31_000);
      const rival = new Integrator({
        ...bench.integratorOptions(),
        clock: later,
        claims: storeClaims(bench.store, later, { owner: 'rival', alone: false }),
        alone: false,
      });
      await rival.start();
      await rival.integrate();
      expect(rival.status()).toMatchObject({ state: 'active', size: 6 + 8 * turn });
      await record(3, 1);
      await rival.close();
      await bench.integrate();
      expect(bench.integrator.status()).toMatchObject({ state: 'active', size: 9 + 8 * turn });
    }
    const directory = join(bench.directory, 'export');
    await exportLog(storeSource(bench.store, bench.log), directory);
    expect(await verifyExport(directory)).toMatchObject({ holds: true, size: 25 });
  });

  it('grows while the external file cannot be written, reports that, and writes the file later', async () => {
    const failing: CheckpointStorage = {
      name: 'full',
      read: () => bench.checkpointFile.read(),
      write: () => Promise.reject(new Error('no room')),
    };
    const errors: unknown[] = [];
    const write = (file: CheckpointStorage): Integrator =>
      new Integrator({
        ...bench.integratorOptions(),
        outside: file,
        onUnwritten: (error) => errors.push(error),
      });
    await bench.integrator.close();
    const integrator = write(failing);
    await integrator.start();
    await record(4, 2);
    await integrator.integrate();
    expect(integrator.status()).toMatchObject({ size: 5, isUnwritten: true });
    clock.advance(5_000);
    await record(4, 2);
    await integrator.integrate();
    expect(integrator.status().size).toBe(9);
    await integrator.close();
    expect(errors).toHaveLength(2);
    const next = write(bench.checkpointFile);
    expect(await next.start()).toMatchObject({ held: undefined });
    await record(4, 2);
    await next.integrate();
    expect(next.status()).toMatchObject({ size: 13, broken: [], isUnwritten: false });
    expect(await bench.checkpointFile.read()).toBe((await bench.reader.checkpoint())?.note);
    await next.close();
  });
});

describe('an invalid chain', () => {
  async function tamper(change: (entries: Buffer) => Buffer): Promise<void> {
    await record(6, 3);
    const [row] = await listRows(bench.store, 'audit_batches', {
      equals: { writer: bench.boot.writer },
      from: { first_seq: 2 },
      limit: 1,
    });
    if (row === undefined) throw new Error('no batch');
    const entries = change(Buffer.from(row.entries));
    await bench.store.commit({ writes: [{ table: 'audit_batches', put: { ...row, entries } }] });
    await bench.integrate();
  }

  it('is integrated up to the last valid entry and then reported', async () => {
    await tamper((entries) => Buffer.from(entries.toString().replace('req_1', 'req_9')));
    expect(bench.integrator.status()).toMatchObject({
      size: 1,
      broken: [{ writer: bench.boot.writer, why: 'entry_altered' }],
    });
  });

  it('is reported when a batch is missing', async () => {
    await record(6, 3);
    const { writer } = bench.boot;
    await bench.store.commit({
      writes: [{ table: 'audit_batches', remove: { writer, first_seq: 2 } }],
    });
    await bench.integrate();
    expect(bench.integrator.status().broken).toEqual([{ writer, seq: 2, why: 'gap' }]);
  });

  it('is reported when the signature of a batch was made with another key', async () => {
    const forged = createBoot(bench.log.signer.key, clock.now());
    const chain = createChain({ ...forged, key: generateSigningKey() });
    const row = chain.stage([startBody(forged)]);
    await bench.store.commit({ writes: [{ table: 'audit_batches', put: row }] });
    await bench.integrate();
    expect(bench.integrator.status()).toMatchObject({
      size: 1,
      broken: [{ writer: forged.writer, seq: 1, why: 'signature_invalid' }],
    });
  });

  it('is reported when the log key never endorsed its boot', async () => {
    const stranger = createBoot(generateSigningKey(), clock.now());
    const row = createChain(stranger).stage([startBody(stranger)]);
    await bench.store.commit({ writes: [{ table: 'audit_batches', put: row }] });
    await bench.integrate();
    expect(bench.integrator.status()).toMatchObject({
      size: 1,
      broken: [{ writer: stranger.writer, seq: 1, why: 'not_announced' }],
    });
  });
});

describe('a store', () => {
  async function held(): Promise<string | undefined> {
    const status = await bench.newIntegrator().start();
    return status.held;
  }

  it('is not held when it is at or ahead of the external checkpoint', async () => {
    expect(await held()).toBeUndefined();
    await record(3);
    await bench.integrate();
    const old = await bench.checkpointFile.read();
    await record(300);
    await bench.integrate();
    expect(await held()).toBeUndefined();
    await bench.checkpointFile.write(old ?? '');
    expect(await held()).toBeUndefined();
  });

  it('is held when it has fewer entries than the external checkpoint', async () => {
    await record(3);
    await bench.integrate();
    const root = Buffer.alloc(32, 1);
    const ahead = { origin: bench.log.origin, size: 5, root };
    await bench.checkpointFile.write(signCheckpoint(ahead, bench.log.signer));
    expect(await held()).toBe('store_behind');
  });

  it('is held when its entries are not those of the external checkpoint', async () => {
    await record(3);
    await bench.integrate();
    const root = Buffer.alloc(32, 1);
    const other = { origin: bench.log.origin, size: 2, root };
    await bench.checkpointFile.write(signCheckpoint(other, bench.log.signer));
    expect(await held()).toBe('store_forked');
  });

  it('is held when the external checkpoint is missing or belongs to another log', async () => {
    await record(3);
    await bench.integrate();
    const path = join(bench.directory, 'checkpoint');
    await rm(path);
    expect(await held()).toBe('checkpoint_missing');
    const stranger = logIdentity(bench.log.origin, generateSigningKey());
    const note = { origin: bench.log.origin, size: 1, root: Buffer.alloc(32) };
    await writeFile(path, signCheckpoint(note, stranger.signer));
    expect(await held()).toBe('checkpoint_foreign');
  });

  it('is held when its own tiles do not hash to its checkpoint', async () => {
    await record(3);
    await bench.integrate();
    await bench.store.commit({
      writes: [
        { table: 'log_tiles', put: { level: 0, tile_index: 0, hashes: new Uint8Array(128) } },
      ],
    });
    expect(await held()).toBe('store_forked');
    await bench.store.commit({
      writes: [{ table: 'log_tiles', remove: { level: 0, tile_index: 0 } }],
    });
    expect(await held()).toBe('log_damaged');
  });

  it('is held until an operator unlocks it', async () => {
    await record(3);
    await bench.integrate();
    await rm(join(bench.directory, 'checkpoint'));
    const integrator = bench.newIntegrator();
    expect(await integrator.start()).toMatchObject({ state: 'held', held: 'checkpoint_missing' });
    await integrator.integrate();
    expect(integrator.status().state).toBe('held');
    const released = await bench.release(integrator);
    expect(released).toMatchObject({ state: 'standby', held: undefined });
    await integrator.close();
  });
});

describe('a new boot', () => {
  it('links itself to the tree and to the heads that are not in it yet', async () => {
    await record(3);
    await bench.integrate();
    await record(2);
    const boot = createBoot(bench.log.signer.key, clock.now() + 1);
    const survey = await surveyLog(bench.store, bench.log, boot, '1.2.3');
    expect(survey.boot).toMatchObject({ release: '1.2.3', treeSize: 4, key: boot.publicKey });
    expect(survey.boot.heads).toEqual([
      expect.objectContaining({ writer: bench.boot.writer, seq: 6 }),
    ]);
    expect(survey.unfinished).toMatchObject({ writer: bench.boot.writer, seq: 6 });
    await bench.store.commit({ entries: [body({ action: 'broker.stop', path: undefined })] });
    expect((await surveyLog(bench.store, bench.log, boot, '1.2.3')).unfinished).toBeUndefined();
  });
});
