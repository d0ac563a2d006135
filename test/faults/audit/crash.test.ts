import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { spawn } from 'node:child_process';
import { cp, mkdtemp, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { exportLog } from '../../../src/audit/proof/export.ts';
import { storeSource } from '../../../src/audit/proof/export-source.ts';
import { createLogKeyFile } from '../../../src/audit/records/log-key.ts';
import { verifyExport } from '../../../src/audit/proof/verify.ts';
import type { SigningKey } from '../../../src/crypto/signatures/signing.ts';
import { HandClock } from '../../kit/time/hand-clock.ts';
import { LogBench } from '../../kit/log/log-bench.ts';
import { listRows } from '../../kit/store/table-rows.ts';

/** F24. `ROUNDS` in the environment sets a higher number. */
const ROUNDS = Number(process.env['ROUNDS'] ?? 4);

let directory: string;
let key: SigningKey;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'crash-'));
  key = await createLogKeyFile(join(directory, 'log.key'));
});
afterEach(() => rm(directory, { recursive: true }));

/** Requests acknowledged before the process was killed with `kill -9`. */
async function writeUntilKilled(acknowledgements: number): Promise<string[]> {
  const script = join(import.meta.dirname, '../../kit/log/log-writer-child.ts');
  const child = spawn(process.execPath, [script, directory, join(directory, 'log.key')], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const acknowledged: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    acknowledged.push(line);
    if (acknowledged.length === acknowledgements) child.kill('SIGKILL');
  }
  return acknowledged;
}

describe('a broker killed in the middle of its commits and its compaction (F24)', () => {
  it('leaves a log that holds every acknowledged entry, verifies, and records the crash', async () => {
    const acknowledged: string[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      acknowledged.push(...(await writeUntilKilled(100 + round * 777)));
    }
    const bench = await LogBench.openAt(directory, new HandClock(Date.now()), key);
    expect(await bench.integrator.start()).toMatchObject({ held: undefined });
    await bench.integrate();
    const target = join(directory, 'export');
    await exportLog(storeSource(bench.store, bench.log), target);
    const externalCheckpoint = await bench.checkpointFile.read();
    const report = await verifyExport(target, { externalCheckpoint });
    expect(report).toMatchObject({ holds: true, assurance: 'anchored' });
    expect(report.writers).toHaveLength(ROUNDS + 1);
    const entries = await bench.reader.entries(0, report.size);
    const requests = new Set(
      entries.map(({ entry }) => (JSON.parse(entry) as { requestId: string }).requestId),
    );
    expect(acknowledged.filter((request) => !requests.has(request))).toEqual([]);
    const [segment] = await listRows(bench.store, 'audit_segments', { limit: 1 });
    expect(segment).toBeDefined();
    const recoveries = await bench.reader.search({ action: 'recovery' }, { limit: 100 });
    expect(recoveries.items).toHaveLength(ROUNDS);
    await bench.stop();
  });
});

describe('a store restored from an older copy', () => {
  it('starts held, and appends nothing until it is unlocked (F31)', async () => {
    const clock = new HandClock();
    const bench = await LogBench.openAt(directory, clock, key);
    await bench.record({}, {});
    await bench.integrate();
    await bench.stop();
    const [store, copy] = [join(directory, 'store'), join(directory, 'copy')];
    await cp(store, copy, { recursive: true });
    await bench.restart();
    await bench.record({}, {}, {});
    await bench.integrate();
    const { size } = bench.integrator.status();
    await bench.stop();
    await rm(store, { recursive: true });
    await rename(copy, store);
    clock.advance(1000);
    await bench.restart();
    expect(await bench.integrator.start()).toMatchObject({ state: 'held', held: 'store_behind' });
    await bench.integrator.integrate();
    expect(await bench.reader.size()).toBe(3);
    const released = await bench.release();
    expect(released).toMatchObject({ state: 'standby', held: undefined });
    await bench.integrator.integrate();
    expect(bench.integrator.status()).toMatchObject({ state: 'active', size: 6 });
    expect(size).toBe(8);
    await bench.stop();
  });
});
