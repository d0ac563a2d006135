import { encodeClient } from '../../src/domain/audit/audit-event.ts';
import { systemClock } from '../../src/process/clock.ts';
import { sha256Hex } from '../../src/crypto/hashes/digest.ts';
import { randomId } from '../../src/crypto/random/random.ts';
import { body, LogBench, workloadActor } from '../../test/kit/log/log-bench.ts';

/**
 * Processor time of one audit entry, in microseconds: `node bench/micro/audit.ts`. Commits of 64 reads on SQLite, chained, first without
 * and then with the integrator, which adds them to the tree concurrently. The lowest round is the most accurate.
 */
const ENTRIES_A_COMMIT = 64;
const COMMITS = 32;
const ROUNDS = 8;
const ROUND_MS = 700;

const client = encodeClient(
  { address: '127.0.0.1', method: 'GET', target: '/api/v1/secrets/payments/db' },
  sha256Hex,
);
const actors = Array.from({ length: ENTRIES_A_COMMIT }, (_, index) =>
  workloadActor(`web-${index}`),
);
const leases = actors.map(() => randomId('lea'));
const commits = Array.from({ length: COMMITS }, () =>
  actors.map((actor, index) =>
    body({
      actor,
      client,
      requestId: randomId('req'),
      path: `payments/db${index % 10}`,
      version: '1',
      mount: 'payments',
      lease: leases[index],
      fingerprint: 'Zm9vYmFyZm9vYmFyZm9vYmFyZm9vYmFyZm9vYmFyZm8',
      policy: { name: 'web', version: 1, rule: 'read' },
    }),
  ),
);

async function measure(bench: LogBench, settle: () => Promise<void>): Promise<string> {
  const costs: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const begun = process.cpuUsage();
    const end = performance.now() + ROUND_MS;
    let entries = 0;
    for (let turn = 0; performance.now() < end; turn += 1) {
      const bodies = commits[turn % COMMITS] ?? [];
      await Promise.all(bodies.map((each) => bench.store.commit({ entries: [each] })));
      entries += bodies.length;
    }
    await settle();
    const { user, system } = process.cpuUsage(begun);
    costs.push((user + system) / entries);
  }
  costs.sort((left, right) => left - right);
  return costs.map((cost) => cost.toFixed(1)).join(' ');
}

const bench = await LogBench.open(systemClock);
console.log(`without the integrator: ${await measure(bench, () => Promise.resolve())}`);
await bench.integrate();
console.log(`with the integrator:    ${await measure(bench, () => bench.integrate())}`);
await bench.remove();
