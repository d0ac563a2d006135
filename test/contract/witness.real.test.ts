import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { join } from 'node:path';
import { exportLog } from '../../src/audit/proof/export.ts';
import { storeSource } from '../../src/audit/proof/export-source.ts';
import type { WitnessFault } from '../../src/audit/upkeep/add-checkpoint.ts';
import { Witnesses } from '../../src/audit/upkeep/witnesses.ts';
import { runAuditVerify } from '../../src/program/verbs/audit-verify.ts';
import { parseWitnessKey } from '../../src/crypto/log/cosignature.ts';
import { describeWith } from '../kit/backends/backends.ts';
import { HandClock } from '../kit/time/hand-clock.ts';
import { LiteWitness } from '../kit/log/lite-witness.ts';
import { LogBench } from '../kit/log/log-bench.ts';

describeWith(['litewitness'], 'a real witness (litewitness)', ({ litewitness }) => {
  // The witness signs the time of the system, and the broker refuses the far future.
  const clock = new HandClock(Date.now());
  let bench: LogBench;
  let witness: LiteWitness;
  let faults: WitnessFault[];
  let witnesses: Witnesses;

  beforeAll(async () => {
    bench = await LogBench.open(clock);
    await grow(5);
    witness = await LiteWitness.start(litewitness, 'witness.example/real');
  }, 120_000);
  afterAll(async () => {
    await witness.stop();
    await bench.remove();
  });

  async function grow(count: number, of = bench): Promise<void> {
    await of.record(...Array.from({ length: count }, () => ({})));
    await of.integrate();
  }

  function asked(of = bench): Witnesses {
    faults = [];
    return new Witnesses({
      settings: [{ name: 'real', url: witness.url, verifier: parseWitnessKey(witness.key) }],
      required: 1,
      reader: of.reader,
      log: of.log.verifier,
      store: of.store,
      clock,
      isActive: () => true,
      onFault: (_, { fault }) => faults.push(fault),
      onError: (error) => {
        throw error;
      },
    });
  }

  it('does not know the log before its operator adds it', async () => {
    witnesses = asked();
    await witnesses.run();
    // litewitness 0.6.1 answers 403; the specification asks for 404.
    expect(faults).toEqual(['unknown_log_key']);
    witness.trust(await bench.reader.logKey());
  });

  it('cosigns the growing log, and audit verify accepts its cosignature', async () => {
    witnesses = asked();
    for (const size of [6, 7, 300, 1_024, 1_025]) {
      await grow(size - (await bench.reader.size()));
      await witnesses.run();
      expect(await bench.reader.witnessed()).toMatchObject({ size });
    }
    expect(faults).toEqual([]);
    const directory = join(bench.directory, 'export');
    await exportLog(storeSource(bench.store, bench.log), directory);
    const options = { witnessKey: [witness.key] };
    const { holds, text } = await runAuditVerify(directory, options, () => undefined);
    expect(holds).toBe(true);
    expect(text).toContain('witnessed: the first 1025 entries, by witness.example/real, at ');
  });

  it('answers a broker that lost the cosignatures with its size', async () => {
    await bench.store.commit({ writes: [{ table: 'meta', remove: { key: 'audit-witnessed' } }] });
    await grow(3);
    witnesses = asked();
    await witnesses.run();
    expect(faults).toEqual([]);
    expect(await bench.reader.witnessed()).toMatchObject({ size: 1_028 });
  });

  it('refuses a fork of the log under the same key (AL05)', async () => {
    const directory = join(bench.directory, 'fork');
    const fork = await LogBench.openAt(directory, clock, bench.log.signer.key);
    await grow(1_100, fork);
    await asked(fork).run();
    expect(faults).toEqual(['other_tree']);
    expect(await fork.reader.witnessed()).toBeUndefined();
    await fork.stop();
  });

  it('is reported when it forgot what it cosigned', async () => {
    await grow(1);
    witness.rollBack();
    faults = [];
    await witnesses.run();
    expect(faults).toEqual(['rolled_back']);
    expect(await bench.reader.witnessed()).toMatchObject({ size: 1_029 });
  });
});
