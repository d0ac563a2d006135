import { createInterface } from 'node:readline';
import { loadLogKeyFile } from '../../../src/audit/records/log-key.ts';
import { systemClock } from '../../../src/process/clock.ts';
import { LogBench } from './log-bench.ts';

/** Commits, integrates and compacts as fast as it can until it is killed, and prints each request whose commit was acknowledged. */
const [directory = '', keyFile = ''] = process.argv.slice(2);
const bench = await LogBench.openAt(directory, systemClock, await loadLogKeyFile(keyFile));
await bench.integrator.start();
createInterface({ input: process.stdin }).once('close', () => process.exit(0));
/** Number of turns for each compaction: on a slow machine the process would otherwise be killed before its first one. */
const TURNS_A_COMPACTION = 32;
let compaction = Promise.resolve();
for (let turn = 0; ; turn++) {
  if (turn % TURNS_A_COMPACTION === 0) {
    await compaction;
    compaction = bench.integrate().then(() => bench.compact());
  }
  const requests = Array.from({ length: 20 }, (_, i) => `req_${process.pid}_${turn}_${i}`);
  await bench.record(...requests.map((requestId) => ({ requestId })));
  process.stdout.write(`${requests.join('\n')}\n`);
}
