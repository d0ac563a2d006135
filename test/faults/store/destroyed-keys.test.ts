import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../../src/clock.ts';
import { randomBytes } from '../../../src/crypto/random.ts';
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
    const deps = { chain: new FakeAuditChain(), clock: systemClock, mode: 'development' } as const;
    store = await openSqliteStore({ path, ballastBytes: 0 }, deps);
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

  it('are removed from the files of a running broker, its write-ahead log included', async () => {
    expect(found()).toBe(COUNT);
    await store.commit({ writes: keys.map((_, version) => destroy(version)) });
    await untilGone();
  });

  it('are removed when their rows are deleted, from unused pages too', async () => {
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
});
