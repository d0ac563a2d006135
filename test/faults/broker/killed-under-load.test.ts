import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { readFile } from 'node:fs/promises';
import { until } from '../../kit/backends/until.ts';
import { PreparedBroker } from '../../kit/broker/prepared-broker.ts';
import { entryLines } from '../../kit/log/sink-lines.ts';
import type { StoredEntry } from '../../kit/store/store-diff.ts';
import { integrityOf, storedLog } from '../../kit/log/stored-log.ts';
import { Load, LOAD_LIMITS } from '../../kit/broker/broker-load.ts';

/** `ROUNDS` in the environment sets a higher number. */
const ROUNDS = Number(process.env['ROUNDS'] ?? 4);

let broker: PreparedBroker;
let load: Load;

beforeEach(async () => {
  broker = await PreparedBroker.start({ config: () => ({ limits: LOAD_LIMITS }) });
  load = new Load(broker);
  await load.prepare();
});
afterEach(() => broker.remove());

describe('F24, F29: a broker killed under load', () => {
  it(
    'has recorded every disclosure, kept every acknowledged change, and has a valid log (I1, I3, I7, I9, I10, F24, F29)',
    async () => {
      for (let round = 0; round < ROUNDS; round += 1) {
        await load.killUnder(round);
      }
      const last = await load.lastValues();
      const report = await broker.verifiedLog();
      expect(report).toContain('verified: ');
      expect(report).toContain('anchored');
      const path = broker.installation.file('store/quaymaster.db');
      const entries = storedLog(path);
      expect(load.history.violations(entries, last)).toEqual([]);
      expect(integrityOf(path)).toBe('ok');
      load.report('kill -9, SQLite', ROUNDS);
      expect(entries.filter(({ action }) => action === 'recovery')).toHaveLength(ROUNDS);
      expect(load.history.count('ok')).toBeGreaterThan(ROUNDS * 50);
      expect(load.history.count('unknown')).toBeGreaterThan(0);
    },
    180_000 + ROUNDS * 30_000,
  );

  it('has a complete sink after the next start: every entry, and no line torn (F24)', async () => {
    const session = await broker.logIn();
    let answered = 0;
    const reads = Array.from({ length: 20 }, async () => {
      for (;;) {
        await broker.read(session, 'own/p0');
        answered += 1;
        if (answered === 300) broker.installation.signal('SIGKILL');
      }
    });
    await Promise.allSettled(reads);
    await broker.installation.start();
    const sink = (): Promise<string> => readFile(broker.installation.file('audit.jsonl'), 'utf8');
    // It follows the tree, in which this entry comes after all entries of the killed boot.
    await until('the sink caught up', async () => (await sink()).includes('"action":"recovery"'));
    expect(await broker.installation.stop()).toBe(0);
    const lines = entryLines(await sink());
    const delivered = lines.map((line) => JSON.parse(line) as StoredEntry);
    const places = new Set(delivered.map(placeOf));
    const entries = storedLog(broker.installation.file('store/quaymaster.db'));
    const killed = entries.find(({ action }) => action === 'secret.read')?.['writer'];
    const ofKilled = entries.filter(({ writer }) => writer === killed);
    expect(ofKilled.filter((entry) => !places.has(placeOf(entry)))).toEqual([]);
    expect(ofKilled.length).toBeGreaterThan(300);
  });
});

function placeOf({ writer, seq }: StoredEntry): string {
  return `${String(writer)} ${String(seq)}`;
}
