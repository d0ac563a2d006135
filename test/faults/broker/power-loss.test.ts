import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { LEFT_OUT } from '../../kit/backends/left-out.ts';
import { Load, LOAD_LIMITS } from '../../kit/broker/broker-load.ts';
import {
  canCompile,
  compilePowerLoss,
  dropUnsynced,
  keepAsSynced,
} from '../../kit/files/power-loss.ts';
import { PreparedBroker } from '../../kit/broker/prepared-broker.ts';
import { integrityOf, storedLog } from '../../kit/log/stored-log.ts';

/** `ROUNDS` in the environment sets a higher number. */
const ROUNDS = Number(process.env['ROUNDS'] ?? 2);
const LAST_COMMIT = 'keys/checkpoint.last-commit';
const itIfCompiled = canCompile ? it : it.skip;
const suffix = canCompile ? '' : ` (${LEFT_OUT}there is no C compiler here)`;

describe(`F30: a broker whose machine loses its power under load${suffix}`, () => {
  let directory: string;
  let broker: PreparedBroker;
  const synced = (): string => join(directory, 'synced');
  const folders = (): readonly string[] =>
    ['store', 'keys'].map((name) => broker.installation.file(name));

  beforeAll(async () => {
    if (!canCompile) return;
    directory = await mkdtemp(join(tmpdir(), 'quaymaster-power-'));
    await mkdir(synced());
    const environment = { LD_PRELOAD: compilePowerLoss(directory), SYNCED: synced() };
    broker = await PreparedBroker.start({
      environment,
      config: () => ({ limits: LOAD_LIMITS }),
    });
  });
  afterAll(async () => {
    if (!canCompile) return;
    await broker.remove();
    await rm(directory, { recursive: true });
  });

  /** Every second time the disk had already written the unsynced file that names the last acknowledged entry. */
  async function losePower(round: number): Promise<void> {
    const written = await readFile(broker.installation.file(LAST_COMMIT));
    await dropUnsynced(synced(), folders());
    if (round % 2 === 1) await writeFile(broker.installation.file(LAST_COMMIT), written);
    await rm(synced(), { recursive: true });
    await mkdir(synced());
    await keepAsSynced(synced(), folders());
  }

  itIfCompiled(
    'has recorded every disclosure, kept every acknowledged change, and has a valid log (I1, I3, I7, I9, I10, F30)',
    async () => {
      const load = new Load(broker);
      await load.prepare();
      for (let round = 0; round < ROUNDS; round += 1)
        await load.killUnder(round, () => losePower(round));
      const last = await load.lastValues();
      const report = await broker.verifiedLog();
      expect(report).toContain('verified: ');
      expect(report).toContain('anchored');
      const path = broker.installation.file('store/quaymaster.db');
      expect(load.history.violations(storedLog(path), last)).toEqual([]);
      expect(integrityOf(path)).toBe('ok');
      load.report('power loss, SQLite', ROUNDS);
      expect(load.history.count('ok')).toBeGreaterThan(ROUNDS * 50);
    },
    180_000 + ROUNDS * 30_000,
  );
});
