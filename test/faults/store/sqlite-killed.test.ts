import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import Database from 'better-sqlite3';
import { systemClock } from '../../../src/process/clock.ts';
import type { Store } from '../../../src/ports/store.ts';
import { openSqliteStore } from '../../../src/store/sqlite/open-sqlite-store.ts';
import { FakeAuditChain } from '../../kit/fakes/fake-audit-chain.ts';
import { storedIds, storedNames } from '../../kit/log/stored-entries.ts';
import { WriterChild } from '../../kit/store/store-writer.ts';
import { countRows } from '../../kit/store/table-rows.ts';

const ROUNDS = Number(process.env['ROUNDS'] ?? 12);

describe('a store whose process is killed', () => {
  let directory: string;
  let path: string;
  const open = (): Promise<Store> =>
    openSqliteStore(
      { path, ballastBytes: 0 },
      { chain: new FakeAuditChain(), clock: systemClock, mode: 'development' },
    );

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'quaymaster-killed-'));
    path = join(directory, 'store.db');
  });

  afterEach(() => rmSync(directory, { recursive: true }));

  it.each(['loop', 'pool'] as const)(
    'has every acknowledged plan, whole plans only, and valid chains, with syncs in the %s (F29)',
    async (syncs) => {
      const acknowledged = new Set<string>();
      for (let round = 0; round < ROUNDS; round += 1) {
        const how = { syncs, lanes: syncs === 'pool' ? 6 : 1 };
        const child = new WriterChild(path, { width: 1 + (round % 5) * 16, ...how });
        await child.until(20 + ((round * 137) % 600));
        await child.kill();
        for (const id of child.said('ack')) acknowledged.add(id);
        expect(child.said('no')).toEqual([]);

        const store = await open();
        const recorded = await storedIds(store);
        const written = await storedNames(store);
        const changes = await countRows(store, 'changes', {});
        await store.close();
        expect(new Set(recorded).size).toBe(recorded.length);
        expect(new Set(recorded)).toEqual(new Set(written));
        expect([...acknowledged].filter((id) => !written.includes(id))).toEqual([]);
        expect(changes).toBe(recorded.filter((id) => id.endsWith('-0')).length);
      }
      const database = new Database(path, { readonly: true });
      expect(database.pragma('integrity_check', { simple: true })).toBe('ok');
      database.close();
      expect(acknowledged.size).toBeGreaterThan(ROUNDS * 20);
    },
    180_000 + ROUNDS * 5_000,
  );

  it('is refused to a second process while the first lives, and opens as soon as that is dead (F33)', async () => {
    const child = new WriterChild(path);
    await child.until(1);
    await expect(open()).rejects.toMatchObject({
      code: 'ERR_CONFIG_INVALID',
      detail: `another process holds the store ${path}`,
    });
    const second = new WriterChild(path);
    await second.ended();
    expect(second.lines).toEqual([]);
    expect(second.errors).toContain('another process holds the store');
    await child.until(child.lines.length + 5);
    await child.kill();
    expect(child.said('no')).toEqual([]);
    const store = await open();
    await store.close();
  });

  it('is refused to a second opener in the same process', async () => {
    const store = await open();
    await expect(open()).rejects.toMatchObject({ code: 'ERR_CONFIG_INVALID' });
    expect(await store.commit({ entries: ['{"id":"x"}'] })).toMatchObject({ status: 'committed' });
    await expect(open()).rejects.toMatchObject({ code: 'ERR_CONFIG_INVALID' });
    await store.close();
  });
});
