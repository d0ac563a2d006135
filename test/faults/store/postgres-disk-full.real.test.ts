import { rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect } from '@jest/globals';
import type { Store } from '../../../src/ports/store.ts';
import { openPostgresStore } from '../../../src/store/postgres/open-postgres-store.ts';
import { describeWith } from '../../kit/backends/backends.ts';
import type { Running } from '../../kit/backends/footprint.ts';
import { startPostgres, type Postgres } from '../../kit/backends/postgres.ts';
import { FakeAuditChain } from '../../kit/fakes/fake-audit-chain.ts';
import { HandClock } from '../../kit/time/hand-clock.ts';
import { canMount, leftOut, SmallDisk, itIfMounted } from '../../kit/files/small-disk.ts';
import { smallDatabase } from '../../kit/store/small-database.ts';
import { storedIds } from '../../kit/log/stored-entries.ts';
import { countRows } from '../../kit/store/table-rows.ts';

describeWith(['postgres'], `F22: a store whose PostgreSQL has a full disk${leftOut}`, () => {
  const clock = new HandClock(Date.now());
  let disk: SmallDisk | undefined;
  let postgres: Running<Postgres>;
  let store: Store;

  beforeAll(async () => {
    if (!canMount) return;
    disk = SmallDisk.mount('64m')!;
    postgres = await startPostgres();
    store = await openPostgresStore(
      { connectionString: await smallDatabase(disk, postgres), poolSize: 2 },
      { chain: new FakeAuditChain(), clock, mode: 'development' },
    );
  });
  afterAll(async () => {
    await (store as Store | undefined)?.close();
    await (postgres as Running<Postgres> | undefined)?.stop();
    disk?.unmount();
  });

  const commit = (id: string): Promise<string> =>
    store.commit({ entries: [JSON.stringify({ id, padding: 'x'.repeat(4_000) })] }).then(
      ({ status }) => status,
      (error: unknown) => (error as { readonly code: string }).code,
    );

  itIfMounted(
    'reports it while there is no space, and ends the report when there is, even without a commit (F22)',
    async () => {
      const filler = join(disk!.path, 'filler');
      const { bavail, bsize } = statfsSync(disk!.path);
      const acknowledged: string[] = [];
      const fill = async (): Promise<string> => {
        for (let n = 0; ; n += 1) {
          const result = await commit(`before-${n}`);
          if (result !== 'committed') return result;
          acknowledged.push(`before-${n}`);
        }
      };
      writeFileSync(filler, Buffer.alloc(bavail * bsize - 65_536));
      expect(await fill()).toBe('ERR_AUDIT_UNAVAILABLE');
      expect(store.fault()).toBe('ERR_AUDIT_UNAVAILABLE');

      clock.advance(1_000);
      expect(await commit('meanwhile')).toBe('ERR_AUDIT_UNAVAILABLE');
      expect(store.fault()).toBe('ERR_AUDIT_UNAVAILABLE');

      rmSync(filler);
      clock.advance(1_000);
      // A read, so that work in progress has its turn: nothing is committed.
      while (store.fault() !== undefined) await countRows(store, 'claims', {});
      expect(await commit('after')).toBe('committed');
      const recorded = await storedIds(store);
      expect(recorded).toEqual([...acknowledged, 'after']);
    },
  );
});
