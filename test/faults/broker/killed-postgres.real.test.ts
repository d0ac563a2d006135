import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { readFile } from 'node:fs/promises';
import { describeWith } from '../../kit/backends/backends.ts';
import { createDatabase, type TestDatabase } from '../../kit/backends/postgres.ts';
import { until } from '../../kit/backends/until.ts';
import { PreparedBroker } from '../../kit/broker/prepared-broker.ts';
import { entryLines } from '../../kit/log/sink-lines.ts';
import type { StoredEntry } from '../../kit/store/store-diff.ts';
import { postgresLog } from '../../kit/log/stored-log.ts';
import { Load, LOAD_LIMITS } from '../../kit/broker/broker-load.ts';

/** `ROUNDS` in the environment sets a higher number. */
const ROUNDS = Number(process.env['ROUNDS'] ?? 3);

const placeOf = ({ writer, seq }: StoredEntry): string => `${String(writer)} ${String(seq)}`;

describeWith(['postgres'], 'F24: a broker on PostgreSQL killed under load', ({ postgres }) => {
  let database: TestDatabase;
  let broker: PreparedBroker;

  beforeAll(async () => {
    database = await createDatabase(postgres);
    broker = await PreparedBroker.start({
      files: { dsn: database.connectionString },
      config: (directory) => ({
        limits: LOAD_LIMITS,
        store: { type: 'postgres', connectionStringFile: `${directory}/dsn` },
      }),
    });
  });
  afterAll(async () => {
    await broker.remove();
    await database.drop();
  });

  it(
    'has recorded every disclosure, kept every acknowledged change, and has a valid log and a complete sink (F24)',
    async () => {
      const load = new Load(broker);
      await load.prepare();
      for (let round = 0; round < ROUNDS; round += 1) await load.killUnder(round);
      const last = await load.lastValues();
      const sink = async (): Promise<readonly string[]> => {
        const text = await readFile(broker.installation.file('audit.jsonl'), 'utf8');
        return entryLines(text);
      };
      const recovered = (lines: readonly string[]): number =>
        lines.filter((line) => line.includes('"action":"recovery"')).length;
      await until('the sink caught up', async () => recovered(await sink()) === ROUNDS);

      const report = await broker.verifiedLog();
      expect(report).toContain('verified: ');
      expect(report).toContain('anchored');
      const entries = await postgresLog(database.connectionString);
      expect(load.history.violations(entries, last)).toEqual([]);
      load.report('kill -9, PostgreSQL', ROUNDS);
      expect(entries.filter(({ action }) => action === 'recovery')).toHaveLength(ROUNDS);
      expect(load.history.count('ok')).toBeGreaterThan(ROUNDS * 50);
      expect(load.history.count('unknown')).toBeGreaterThan(0);

      const delivered = (await sink()).map((line) => placeOf(JSON.parse(line) as StoredEntry));
      const places = new Set(delivered);
      const [newest] = entries
        .map(({ writer }) => String(writer))
        .toSorted()
        .slice(-1);
      const killed = entries.filter(({ writer }) => writer !== newest);
      expect(killed.map(placeOf).filter((place) => !places.has(place))).toEqual([]);
    },
    180_000 + ROUNDS * 30_000,
  );
});
