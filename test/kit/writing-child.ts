import { createInterface } from 'node:readline';
import { loadLogKeyFile } from '../../src/audit/log-key.ts';
import { systemClock } from '../../src/clock.ts';
import { LogBench } from './log-bench.ts';

/** Commits, integrates and compacts as fast as it can until it is killed, and prints each request whose commit was acknowledged. */
const [directory = '', keyFile = ''] = process.argv.slice(2);
const bench = await LogBench.openAt(directory, systemClock, await loadLogKeyFile(keyFile));
await bench.integrator.start();
createInterface({ input: process.stdin }).once('close', () => process.exit(0));
let isCompacting = false;
for (let turn = 0; ; turn++) {
  if (!isCompacting) {
    isCompacting = true;
    void bench.compact().then(() => {
      isCompacting = false;
    });
  }

  const requests = Array.from({ length: 20 }, (_, i) => `req_${process.pid}_${turn}_${i}`);
  await bench.record(...requests.map((requestId) => ({ requestId })));
  process.stdout.write(`${requests.join('\n')}\n`);
}
