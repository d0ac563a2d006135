import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { exportLog } from '../../../../src/audit/proof/export.ts';
import { storeSource } from '../../../../src/audit/proof/export-source.ts';
import { verifyExport } from '../../../../src/audit/proof/verify.ts';
import { Witnesses } from '../../../../src/audit/upkeep/witnesses.ts';
import { runAuditVerify } from '../../../../src/program/verbs/audit-verify.ts';
import { parseWitnessKey } from '../../../../src/crypto/log/cosignature.ts';
import { HandClock } from '../../../kit/time/hand-clock.ts';
import { LogBench } from '../../../kit/log/log-bench.ts';
import { TestWitness } from '../../../kit/log/test-witness.ts';

const clock = new HandClock();
let bench: LogBench;
let fork: LogBench;
let alpha: TestWitness;
let beta: TestWitness;
let stranger: TestWitness;
let exported: string;

const TEXT =
  'witnessed: the first 6 entries, by witness.example/alpha, at 2026-01-01T00:00:00.000Z';

beforeAll(async () => {
  bench = await LogBench.open(clock);
  const logKey = await bench.reader.logKey();
  [alpha, beta, stranger] = (await Promise.all(
    ['alpha', 'beta', 'gamma'].map((name) => {
      return TestWitness.start(`witness.example/${name}`, [logKey]);
    }),
  )) as [TestWitness, TestWitness, TestWitness];
  for (const each of [alpha, beta]) each.now = () => Math.floor(clock.now() / 1_000);
  await grow(bench, 5);
  await cosign(bench, [alpha]);
  await grow(bench, 300);
  exported = await exportOf(bench, 'export');
  fork = await LogBench.openAt(join(bench.directory, 'fork'), clock, bench.log.signer.key);
});
afterAll(async () => {
  await Promise.all([alpha, beta, stranger].map((each) => each.close()));
  await fork.stop();
  await bench.remove();
});

async function grow(of: LogBench, count: number): Promise<void> {
  await of.record(...Array.from({ length: count }, () => ({})));
  await of.integrate();
}

async function cosign(of: LogBench, by: readonly TestWitness[]): Promise<void> {
  const witnesses = new Witnesses({
    settings: by.map(({ name, url, key }) => ({ name, url, verifier: parseWitnessKey(key) })),
    required: by.length,
    reader: of.reader,
    log: of.log.verifier,
    store: of.store,
    clock,
    isActive: () => true,
    onFault: (_, error) => {
      throw error;
    },
    onError: (error) => {
      throw error;
    },
  });
  await witnesses.run();
  await witnesses.close();
}

async function exportOf(of: LogBench, name: string): Promise<string> {
  const directory = join(bench.directory, name);
  await exportLog(storeSource(of.store, of.log), directory);
  return directory;
}

function verified(directory: string, options: Parameters<typeof runAuditVerify>[1]) {
  return runAuditVerify(directory, options, () => undefined);
}

describe('audit verify with witness keys', () => {
  it('says which entries enough witnesses cosigned', async () => {
    const { holds, text } = await verified(exported, { witnessKey: [alpha.key] });
    expect(holds).toBe(true);
    expect(text).toContain(TEXT);
  });

  it('accepts the required number of cosignatures among more keys', async () => {
    const witnessKey = [beta.key, alpha.key];
    expect(await verified(exported, { witnessKey, requireWitnesses: '1' })).toMatchObject({
      holds: true,
    });
    const { holds, text } = await verified(exported, { witnessKey });
    expect(holds).toBe(false);
    expect(text).toContain(
      'not_witnessed: no checkpoint of this log has cosignatures of 2 of the 2 given witnesses; the best has 1',
    );
  });

  it('does not count the cosignature of another witness', async () => {
    const { holds, text } = await verified(exported, { witnessKey: [stranger.key] });
    expect(holds).toBe(false);
    expect(text).toContain('the best has 0');
  });

  it('counts the cosignatures of the external checkpoint', async () => {
    await cosign(bench, [beta]);
    const note = (await bench.reader.witnessed())?.note ?? '';
    const checkpoint = join(bench.directory, 'witnessed-elsewhere');
    await writeFile(checkpoint, note);
    const { holds, text } = await verified(exported, { witnessKey: [beta.key], checkpoint });
    expect(text).toContain('the first 306 entries, by witness.example/beta');
    expect(holds).toBe(true);
  });

  it('fails for an altered cosignature', async () => {
    const copy = join(bench.directory, 'altered');
    await cp(exported, copy, { recursive: true });
    const file = join(copy, 'witnessed-checkpoint');
    const note = await readFile(file, 'utf8');
    const at = note.length - 20;
    await writeFile(file, note.slice(0, at) + (note[at] === 'A' ? 'B' : 'A') + note.slice(at + 1));
    const { findings } = await verifyExport(copy, {
      witnesses: { keys: [parseWitnessKey(alpha.key)], required: 1 },
    });
    expect(findings.map(({ what }) => what)).toEqual(['checkpoint_invalid', 'not_witnessed']);
  });

  it('names the witness that cosigned another tree than the one exported', async () => {
    await grow(fork, 5);
    const forked = await exportOf(fork, 'forked');
    const { holds, text } = await verified(forked, {
      witnessKey: [alpha.key],
      checkpoint: join(exported, 'witnessed-checkpoint'),
    });
    expect(holds).toBe(false);
    expect(text).toContain(
      'other_history: the first 6 entries are not those of the external checkpoint, which witness.example/alpha cosigned',
    );
  });

  it('reports an export that ends before the witnessed checkpoint', async () => {
    const short = join(bench.directory, 'short');
    await cp(join(bench.directory, 'forked'), short, { recursive: true });
    const note = (await bench.reader.witnessed())?.note ?? '';
    await writeFile(join(short, 'witnessed-checkpoint'), note);
    const { text } = await verified(short, { witnessKey: [beta.key] });
    expect(text).toContain(
      'entry 6: tail_missing: the witnessed checkpoint covers 306 entries; from here on they are missing',
    );
  });

  it('refuses arguments that cannot be meant', async () => {
    const detail = async (options: Parameters<typeof runAuditVerify>[1]): Promise<unknown> =>
      verified(exported, options).catch((error: unknown) => error);
    expect(await detail({ witnessKey: [alpha.key], requireWitnesses: '2' })).toMatchObject({
      code: 'ERR_CONFIG_INVALID',
      detail:
        '--require-witnesses is 2; give a number from 1 to the number of --witness-key, which is 1',
    });
    expect(await detail({ requireWitnesses: '1' })).toMatchObject({ code: 'ERR_CONFIG_INVALID' });
    const logKey = await bench.reader.logKey();
    expect(await detail({ witnessKey: [logKey] })).toMatchObject({ code: 'ERR_CONFIG_INVALID' });
  });
});
