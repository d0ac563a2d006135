import { existsSync, mkdirSync, rmSync, statfsSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect } from '@jest/globals';
import type { BrokerError } from '../../../src/domain/errors.ts';
import type { Store } from '../../../src/ports/store.ts';
import { openSqliteStore } from '../../../src/store/sqlite/open-sqlite-store.ts';
import { FakeAuditChain } from '../../kit/fakes/fake-audit-chain.ts';
import { HandClock } from '../../kit/time/hand-clock.ts';
import { leaseRow } from '../../kit/fakes/store-rows.ts';
import { storedIds } from '../../kit/log/stored-entries.ts';
import { leftOut, SmallDisk, itIfMounted } from '../../kit/files/small-disk.ts';

const MEBIBYTE = 1024 * 1024;
const BALLAST = MEBIBYTE;

const WAYS = ['loop', 'pool'] as const;

describe.each(WAYS)(`a store whose disk is full, with syncs in the %s${leftOut}`, (syncs) => {
  let disk: SmallDisk | undefined;
  let directory: string;
  let path: string;
  let filler: string;
  let store: Store;
  let chain: FakeAuditChain;
  let clock: HandClock;
  let count = 0;

  const open = async (): Promise<void> => {
    chain = new FakeAuditChain();
    clock = new HandClock(Date.now());
    const deps = { chain, clock, mode: 'production' } as const;
    store = await openSqliteStore(
      { path, ballastBytes: BALLAST, syncsInPool: syncs === 'pool' },
      deps,
    );
  };
  const codeOf = (work: Promise<{ status: string }>): Promise<string> =>
    work.then(
      ({ status }) => status,
      (error: unknown) => (error as BrokerError).code,
    );
  const read = (urgent = false): Promise<string> => {
    count += 1;
    const pad = 'x'.repeat(8_000);
    return codeOf(store.commit({ entries: [JSON.stringify({ id: `${count}`, pad })], urgent }));
  };
  const revoke = (id: string): Promise<string> =>
    codeOf(
      store.commit({
        urgent: true,
        writes: [{ table: 'leases', key: { id }, change: { state: 'ended' } }],
        invalidates: [`lease:${id}`],
        entries: [JSON.stringify({ id: `revoke ${id}` })],
      }),
    );
  /** Fills the free space, all but a few pages. */
  const fill = (): void => {
    rmSync(filler, { force: true });
    const { bavail, bsize } = statfsSync(directory);
    writeFileSync(filler, Buffer.alloc(Math.max(0, bavail * bsize - 16_384)));
  };
  const readUntilFull = async (): Promise<string[]> => {
    const codes: string[] = [];
    while (codes.at(-1) !== 'ERR_AUDIT_UNAVAILABLE' && codes.length < 2_000)
      codes.push(await read());
    return codes;
  };

  beforeAll(() => {
    disk = SmallDisk.mount('8m');
  });

  afterAll(() => disk?.unmount());

  beforeEach(async () => {
    if (disk === undefined) return;
    directory = join(disk.path, `run-${count}`);
    mkdirSync(directory, { mode: 0o700 });
    path = join(directory, 'store.db');
    filler = join(directory, 'filler');
    await open();
  });

  afterEach(async () => {
    if (disk === undefined) return;
    await store.close();
    rmSync(directory, { recursive: true });
  });

  itIfMounted(
    'refuses recorded requests, serves reads, and revokes with the space of the ballast',
    async () => {
      await store.commit({
        writes: ['a', 'b', 'c'].map((id) => ({ table: 'leases', put: leaseRow(id) })),
      });
      expect(statSync(`${path}.ballast`).blocks * 512).toBeGreaterThanOrEqual(BALLAST);
      fill();
      const codes = await readUntilFull();
      expect(codes.at(-1)).toBe('ERR_AUDIT_UNAVAILABLE');
      expect(store.fault()).toBe('ERR_AUDIT_UNAVAILABLE');
      expect(await read()).toBe('ERR_AUDIT_UNAVAILABLE');
      expect(await codeOf(store.commit({ writes: [] }))).toBe('ERR_STORE_UNAVAILABLE');
      expect(await store.get('leases', { id: 'a' })).toMatchObject({ state: 'live' });
      expect(existsSync(`${path}.ballast`)).toBe(true);

      const heard: string[] = [];
      store.watch((changes) => heard.push(...changes.map(({ key }) => key)));
      expect(await Promise.all([revoke('a'), read(), revoke('b')])).toEqual([
        'committed',
        'ERR_AUDIT_UNAVAILABLE',
        'committed',
      ]);
      expect(heard).toEqual(['a', 'b']);
      expect(existsSync(`${path}.ballast`)).toBe(false);
      expect(await store.get('leases', { id: 'a' })).toMatchObject({ state: 'ended' });
      expect(await revoke('c')).toBe('committed');
      expect(await read()).toBe('ERR_AUDIT_UNAVAILABLE');
    },
  );

  itIfMounted(
    'recovers automatically when there is space again, and reserves its ballast first',
    async () => {
      fill();
      await readUntilFull();
      expect(await revoke('none')).toBe('committed');
      clock.advance(5_000);
      expect(store.fault()).toBe('ERR_AUDIT_UNAVAILABLE');
      rmSync(filler);
      expect(await read()).toBe('ERR_AUDIT_UNAVAILABLE');
      clock.advance(1_000);
      expect(store.fault()).toBeUndefined();
      expect(statSync(`${path}.ballast`).size).toBe(BALLAST);
      expect(await read()).toBe('committed');
      expect(existsSync(`${path}.ballast.probe`)).toBe(false);
    },
  );

  itIfMounted(
    'keeps a valid chain and every acknowledged plan through many full disks',
    async () => {
      const acknowledged: string[] = [];
      for (let round = 0; round < 5; round += 1) {
        fill();
        const start = count;
        const codes = await readUntilFull();
        acknowledged.push(
          ...codes.flatMap((code, index) => (code === 'committed' ? [`${start + index + 1}`] : [])),
        );
        expect(await revoke(`r${round}`)).toBe('committed');
        acknowledged.push(`revoke r${round}`);
        rmSync(filler);
        clock.advance(1_000);
        expect(store.fault()).toBeUndefined();
      }
      await store.close();
      await open();
      const recorded = await storedIds(store);
      expect(recorded).toEqual(acknowledged);
    },
  );

  itIfMounted('opens on a full disk, for reads and revocations', async () => {
    await store.commit({ writes: [{ table: 'leases', put: leaseRow('a') }] });
    fill();
    await readUntilFull();
    await revoke('a');
    await store.close();
    fill();
    await open();
    expect(store.fault()).toBe('ERR_AUDIT_UNAVAILABLE');
    expect(await store.get('leases', { id: 'a' })).toMatchObject({ state: 'ended' });
    expect(await read()).toBe('ERR_AUDIT_UNAVAILABLE');
    rmSync(filler);
    clock.advance(1_000);
    expect(await read()).toBe('committed');
  });

  itIfMounted(
    'reports it when even the ballast is used up, and recovers from that too (F32)',
    async () => {
      fill();
      await readUntilFull();
      let last = 'committed';
      for (let n = 0; last === 'committed' && n < 2_000; n += 1) last = await read(true);
      expect(last).toBe('ERR_AUDIT_UNAVAILABLE');
      rmSync(filler);
      clock.advance(1_000);
      expect(await read()).toBe('committed');
      expect(chain.dropped).toBeGreaterThan(0);
    },
  );
});
