import { cpSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { systemClock } from '../../../src/process/clock.ts';
import { openSqliteStore } from '../../../src/store/sqlite/open-sqlite-store.ts';
import { LEFT_OUT } from '../../kit/backends/left-out.ts';
import { FakeAuditChain } from '../../kit/fakes/fake-audit-chain.ts';
import { canCompile, compilePowerLoss } from '../../kit/files/power-loss.ts';
import { integrityOf } from '../../kit/log/stored-log.ts';
import { storedIds, storedNames } from '../../kit/log/stored-entries.ts';
import { WriterChild } from '../../kit/store/store-writer.ts';

/** `ROUNDS` in the environment sets a higher number. */
const ROUNDS = Number(process.env['ROUNDS'] ?? 3);
const itIfCompiled = canCompile ? it : it.skip;
const suffix = canCompile ? '' : ` (${LEFT_OUT}there is no C compiler here)`;

describe(`F30: a store whose machine loses its power${suffix}`, () => {
  let directory: string;
  let library: string;
  const live = (): string => join(directory, 'live');
  const synced = (): string => join(directory, 'synced');
  const path = (): string => join(live(), 'store.db');

  beforeAll(() => {
    if (!canCompile) return;
    directory = mkdtempSync(join(tmpdir(), 'quaymaster-power-'));
    library = compilePowerLoss(directory);
    mkdirSync(live(), { mode: 0o700 });
  });
  afterAll(() => {
    if (canCompile) rmSync(directory, { recursive: true });
  });

  const contents = async (): Promise<{ recorded: string[]; written: string[] }> => {
    const store = await openSqliteStore(
      { path: path(), ballastBytes: 0 },
      { chain: new FakeAuditChain(), clock: systemClock, mode: 'development' },
    );
    const found = { recorded: await storedIds(store), written: await storedNames(store) };
    await store.close();
    return found;
  };

  itIfCompiled.each(['loop', 'pool'] as const)(
    'has every acknowledged plan in the synced data, whole plans only, and opens without repair, with syncs in the %s (F30)',
    async (syncs) => {
      const acknowledged = new Set<string>();
      for (let round = 0; round < ROUNDS; round += 1) {
        // Data from before this start was written long ago.
        mkdirSync(synced(), { mode: 0o700 });
        cpSync(live(), synced(), { recursive: true });
        const before = ['env', `LD_PRELOAD=${library}`, `SYNCED=${synced()}`];
        const how = { syncs, lanes: syncs === 'pool' ? 6 : 1, before };
        const child = new WriterChild(path(), { width: 1 + (round % 3) * 24, ...how });
        await child.until(30 + ((round * 271) % 900));
        await child.kill();
        for (const id of child.said('ack')) acknowledged.add(id);
        expect([child.said('no'), child.errors]).toEqual([[], '']);

        rmSync(live(), { recursive: true });
        rmSync(join(synced(), '.part'), { force: true });
        renameSync(synced(), live());
        const { recorded, written } = await contents();
        expect(new Set(recorded)).toEqual(new Set(written));
        expect([...acknowledged].filter((id) => !recorded.includes(id))).toEqual([]);
        expect(integrityOf(path())).toBe('ok');
      }
      expect(acknowledged.size).toBeGreaterThan(ROUNDS * 30);
    },
    180_000 + ROUNDS * 10_000,
  );
});
