import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { initialiseAlone } from '../../../../src/program/installation/initialise-alone.ts';
import type { OpenedStore } from '../../../../src/store/index.ts';
import { openSqliteStore } from '../../../../src/store/sqlite/open-sqlite-store.ts';
import { FakeAuditChain } from '../../../kit/fakes/fake-audit-chain.ts';
import { HandClock } from '../../../kit/time/hand-clock.ts';

describe('the claim of an initialisation', () => {
  let directory: string;
  let clock: HandClock;
  let store: OpenedStore;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'quaymaster-alone-'));
    clock = new HandClock();
    const options = { path: join(directory, 'store.db'), ballastBytes: 0 };
    const deps = { chain: new FakeAuditChain(), clock, mode: 'development' } as const;
    store = await openSqliteStore(options, deps);
  });
  afterEach(async () => {
    await store.close();
    await rm(directory, { recursive: true });
  });

  const secondBy = (seconds: number): Promise<unknown> => {
    const other = new HandClock(clock.now() + seconds * 1_000);
    return initialiseAlone(store, other, () => Promise.resolve('worked'));
  };

  it.each([-29, -0.001, 0, 29])(
    'excludes a second one whose clock differs by %d seconds (C13)',
    async (seconds) => {
      const work = (): Promise<unknown> =>
        expect(secondBy(seconds)).rejects.toMatchObject({ code: 'ERR_CONFLICT' });
      await initialiseAlone(store, clock, work);
      expect(await secondBy(seconds)).toBe('worked');
    },
  );

  it('excludes a second one that began to look before the first had it (C13)', async () => {
    const get = store.get.bind(store);
    const second = Object.assign(Object.create(store) as OpenedStore, {
      get: async (...wanted: Parameters<typeof get>) => {
        clock.advance(5);
        await claimFirst();
        return get(...wanted);
      },
    });
    const claimFirst = (): Promise<unknown> =>
      store.commit({
        writes: [
          {
            table: 'claims',
            put: {
              name: 'initialise',
              owner: 'first',
              epoch: 1,
              until: clock.now() + 120_000,
              mac: null,
            },
          },
        ],
      });
    const refused = initialiseAlone(second, clock, () => Promise.resolve('worked'));
    await expect(refused).rejects.toMatchObject({ code: 'ERR_CONFLICT' });
  });

  it.each([
    ['expired', 0],
    ['expires later than a new one could', 150_001],
  ])('ignores a claim that %s', async (_what, ms) => {
    const put = { name: 'initialise', owner: 'x', epoch: 1, until: clock.now() + ms, mac: null };
    await store.commit({ writes: [{ table: 'claims', put }] });
    expect(await secondBy(0)).toBe('worked');
  });
});
