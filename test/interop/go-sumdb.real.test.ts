import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { cp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { exportLog } from '../../src/audit/proof/export.ts';
import { storeSource } from '../../src/audit/proof/export-source.ts';
import { describeWith } from '../kit/backends/backends.ts';
import { publicLog } from '../../src/audit/log/public-log.ts';
import { HandClock } from '../kit/time/hand-clock.ts';
import { LogBench } from '../kit/log/log-bench.ts';
import { RunningApi } from '../kit/api/running-api.ts';

const run = promisify(execFile);

describeWith(['goprograms'], "the log under Go's sumdb tools", ({ goprograms }) => {
  const program = join(goprograms.program, 'go');
  let bench: LogBench;
  let directory: string;
  let logKey: string;

  beforeAll(async () => {
    bench = await LogBench.open(new HandClock());
    for (let i = 0; i < 12; i++) await bench.record(...Array.from({ length: 64 }, () => ({})));
    await bench.integrate();
    directory = join(bench.directory, 'export');
    ({ logKey } = await exportLog(storeSource(bench.store, bench.log), directory));
  });
  afterAll(() => bench.remove());

  it('has every entry proven under the signed checkpoint', async () => {
    const { stdout } = await run(program, [directory, logKey]);
    expect(stdout).toBe('769 entries proven\n');
  });

  it('has every entry proven by the hashes that the broker serves to anyone', async () => {
    const api = await RunningApi.start();
    Object.assign(api.broker.parts, { publicLog: publicLog(bench.reader, false) });
    try {
      const { stdout } = await run(program, [api.url, logKey, directory]);
      expect(stdout).toBe('769 entries proven\n');
    } finally {
      await api.stop();
    }
  });

  it('fails verification there and here when one entry was altered', async () => {
    const copy = join(bench.directory, 'altered');
    await cp(directory, copy, { recursive: true });
    const path = join(copy, 'tile/entries/001');
    const bytes = await readFile(path);
    bytes.write('"req_2"', bytes.indexOf('"req_1"'));
    await writeFile(path, bytes);
    await expect(run(program, [copy, logKey])).rejects.toMatchObject({ code: 1 });
    await rm(copy, { recursive: true });
  });
});
