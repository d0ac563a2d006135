import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../../src/process/clock.ts';
import { randomBytes } from '../../../src/crypto/random/random.ts';
import type { Store, Write } from '../../../src/ports/store.ts';
import { openSqliteStore } from '../../../src/store/sqlite/open-sqlite-store.ts';
import { FakeAuditChain } from '../../kit/fakes/fake-audit-chain.ts';

const COUNT = 300;

describe('destroyed data keys', () => {
  let directory: string;
  let path: string;
  let store: Store;
  let keys: Buffer[];

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'quaymaster-destroyed-'));
    path = join(directory, 'store.db');
    store = await openAgain(path);
    keys = Array.from({ length: COUNT }, () => Buffer.from(randomBytes(48)));
    const writes = keys.map((key, version) => ({
      table: 'secret_versions' as const,
      put: {
        secret_id: 'sec_1',
        version,
        root_key_id: 'rk_1',
        wrapped_dek: key,
        ciphertext: randomBytes(version % 7 === 0 ? 9_000 : 200),
        created_at: 1,
        created_by: 'ann',
        destroyed_at: null,
        metadata: null,
      },
    }));
    await store.commit({ writes });
  });

  afterEach(async () => {
    await store.close();
    rmSync(directory, { recursive: true });
  });

  /** The number of the keys that an attacker finds who copies the files now. */
  const found = (): number => {
    const bytes = [path, `${path}-wal`].map((file) => readFileSync(file));
    return keys.filter((key) => bytes.some((file) => file.includes(key))).length;
  };
  const untilGone = async (): Promise<void> => {
    while (found() > 0) await systemClock.sleep(20);
  };
  const destroy = (version: number): Write => ({
    table: 'secret_versions',
    key: { secret_id: 'sec_1', version },
    change: { wrapped_dek: null, ciphertext: null, destroyed_at: 2 },
  });

  it('are removed from the files of a running broker, its write-ahead log included (C09)', async () => {
    expect(found()).toBe(COUNT);
    await store.commit({ writes: keys.map((_, version) => destroy(version)) });
    await untilGone();
  });

  it('are removed when their rows are deleted, from unused pages too (C09)', async () => {
    await store.commit({ writes: [{ table: 'secret_versions', remove: { secret_id: 'sec_1' } }] });
    await untilGone();
  });

  it('are removed one by one, and those of other versions stay', async () => {
    await store.commit({ writes: [destroy(7)] });
    const [doomed = Buffer.of()] = keys.splice(7, 1);
    while ([path, `${path}-wal`].some((file) => readFileSync(file).includes(doomed))) {
      await systemClock.sleep(20);
    }
    expect(found()).toBe(COUNT - 1);
  });

  const anythingOf = (removed: readonly Buffer[], at = path): boolean => {
    const bytes = [at, `${at}-wal`]
      .filter((file) => existsSync(file))
      .map((file) => readFileSync(file));
    return removed.some((key) => bytes.some((file) => file.includes(key)));
  };
  const untilNoneOf = async (removed: readonly Buffer[], at = path): Promise<void> => {
    while (anythingOf(removed, at)) await systemClock.sleep(20);
  };
  const other = (name: string): Write => ({
    table: 'claims',
    put: { name, owner: 'o', epoch: 1, until: 1, mac: null },
  });

  it.each<[string, () => Promise<unknown>, readonly number[]]>([
    ['the first of the table', () => store.commit({ writes: [destroy(0)] }), [0]],
    ['the last of the table', () => store.commit({ writes: [destroy(COUNT - 1)] }), [COUNT - 1]],
    ['one with a value of many pages', () => store.commit({ writes: [destroy(14)] }), [14]],
    [
      'one by the removal of its row',
      () =>
        store.commit({
          writes: [{ table: 'secret_versions', remove: { secret_id: 'sec_1', version: 5 } }],
        }),
      [5],
    ],
    [
      'one beside other writes of a plan',
      () => store.commit({ writes: [other('a'), destroy(9), other('b')] }),
      [9],
    ],
    [
      'those of plans that commit together',
      () =>
        Promise.all([20, 21, 22].map((version) => store.commit({ writes: [destroy(version)] }))),
      [20, 21, 22],
    ],
    [
      'one beside a plan that is refused',
      () =>
        Promise.allSettled([
          store.commit({ writes: [destroy(30)] }),
          store.commit({
            expect: [{ table: 'claims', key: { name: 'absent' }, match: { owner: 'x' } }],
            writes: [destroy(31)],
          }),
        ]),
      [30],
    ],
    [
      'one that is destroyed twice',
      async () => {
        await store.commit({ writes: [destroy(40)] });
        await store.commit({ writes: [destroy(40)] });
      },
      [40],
    ],
    [
      'one before many other commits',
      async () => {
        await store.commit({ writes: [destroy(50)] });
        for (let n = 0; n < 50; n += 1) await store.commit({ writes: [other(`c${n}`)] });
      },
      [50],
    ],
  ])('are removed: %s (C09)', async (_what, work, versions) => {
    await work();
    await untilNoneOf(versions.map((version) => keys[version]!));
    const rest = keys.filter((_, version) => !versions.includes(version));
    expect(rest.filter((key) => !anythingOf([key]))).toEqual([]);
  });

  it('are removed when the store is closed before it empties its log', async () => {
    await store.commit({ writes: [destroy(60)] });
    await store.close();
    expect(anythingOf([keys[60]!])).toBe(false);
    store = await openAgain(path);
  });

  it('are removed after a crash, by the next start (C09)', async () => {
    await store.commit({ writes: [destroy(70)] });
    const crashed = join(directory, 'crashed.db');
    for (const end of ['', '-wal']) copyFileSync(`${path}${end}`, `${crashed}${end}`);
    expect(anythingOf([keys[70]!], crashed)).toBe(true);
    const next = await openAgain(crashed);
    await untilNoneOf([keys[70]!], crashed);
    await next.close();
  });
});

function openAgain(path: string): Promise<Store> {
  const deps = { chain: new FakeAuditChain(), clock: systemClock, mode: 'development' } as const;
  return openSqliteStore({ path, ballastBytes: 0 }, deps);
}
