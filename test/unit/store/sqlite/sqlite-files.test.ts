import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import Database from 'better-sqlite3';
import { systemClock } from '../../../../src/process/clock.ts';
import type { OpenedStore } from '../../../../src/store/opened-store.ts';
import { openSqliteStore } from '../../../../src/store/sqlite/open-sqlite-store.ts';
import { assertSqliteVersion } from '../../../../src/store/sqlite/sqlite-connection.ts';
import { FakeAuditChain } from '../../../kit/fakes/fake-audit-chain.ts';
import { leaseRow, versionRow } from '../../../kit/fakes/store-rows.ts';
import { allRows } from '../../../../src/ports/queries.ts';

describe('the files of a SQLite store', () => {
  let directory: string;
  let umask: number | undefined;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'quaymaster-files-'));
  });

  afterEach(() => {
    if (umask !== undefined) process.umask(umask);
    umask = undefined;
    rmSync(directory, { recursive: true });
  });

  const open = (path: string, ballastBytes = 64 * 1024): Promise<OpenedStore> =>
    openSqliteStore(
      { path, ballastBytes },
      { chain: new FakeAuditChain(), clock: systemClock, mode: 'production' },
    );
  const modeOf = (path: string): string => (statSync(path).mode & 0o777).toString(8);

  it('measure a sync of their disk, and stay as they are', async () => {
    const path = join(directory, 'store', 'store.db');
    await (await open(path)).close();
    const ballast = readFileSync(`${path}.ballast`);
    const again = await open(path);
    expect(again.condition.syncMs).toBeGreaterThan(0);
    expect(readFileSync(`${path}.ballast`)).toEqual(ballast);
    await again.close();
    const without = await open(join(directory, 'other', 'store.db'), 0);
    expect(without.condition.syncMs).toBeUndefined();
    await without.close();
  });

  it.each([0o000, 0o022, 0o077])(
    'belong to this user alone whatever the umask (%i) (C08)',
    async (mask) => {
      umask = process.umask(mask);
      const home = join(directory, 'a', 'b');
      const path = join(home, 'store.db');
      const store = await open(path);
      await store.commit({ writes: [{ table: 'leases', put: leaseRow('a') }] });
      expect(modeOf(home)).toBe('700');
      const files = readdirSync(home);
      expect(files.sort()).toEqual(['store.db', 'store.db-wal', 'store.db.ballast']);
      for (const file of files) expect([file, modeOf(join(home, file))]).toEqual([file, '600']);
      await store.close();
    },
  );

  it('are made private again when another user opened their mode', async () => {
    const path = join(directory, 'store.db');
    await (await open(path)).close();
    chmodSync(path, 0o666);
    const store = await open(path);
    expect(modeOf(path)).toBe('600');
    await store.close();
  });

  it('are not put into a directory that others can enter', async () => {
    const shared = join(directory, 'shared');
    mkdirSync(shared);
    chmodSync(shared, 0o750);
    await expect(open(join(shared, 'store.db'))).rejects.toMatchObject({
      code: 'ERR_CONFIG_INVALID',
      detail: `${shared} is open to other users: give the store a directory of its own with mode 0700`,
    });
    expect(readdirSync(shared)).toEqual([]);
  });

  it('are not put into a directory in which this user may create nothing', async () => {
    // Not even root creates a directory there.
    const place = '/sys/quaymaster';
    await expect(open(join(place, 'store.db'))).rejects.toMatchObject({
      code: 'ERR_CONFIG_INVALID',
      detail: expect.stringMatching(
        /^\/sys\/quaymaster cannot be used \(E\w+\): its directory must belong to the user of the broker/,
      ),
    });
  });

  it('are written through a log, synced at every commit, by one process (F30)', async () => {
    const path = join(directory, 'store.db');
    await (await open(path)).close();
    const database = new Database(path, { readonly: true });
    expect(database.pragma('journal_mode', { simple: true })).toBe('wal');
    database.close();
  });

  it('keep nothing of a destroyed data key', async () => {
    const path = join(directory, 'store.db');
    const store = await open(path);
    const row = versionRow('sec_1', 1, new Uint8Array(500));
    const dek = Buffer.from('the wrapped data encryption key of one version');
    await store.commit({
      writes: [{ table: 'secret_versions', put: { ...row, wrapped_dek: dek } }],
    });
    await store.commit({
      writes: [
        {
          table: 'secret_versions',
          key: { secret_id: 'sec_1', version: 1 },
          change: { wrapped_dek: null, ciphertext: null, destroyed_at: 5 },
        },
      ],
    });
    await store.close();
    expect(readdirSync(directory).sort()).toEqual(['store.db', 'store.db.ballast']);
    expect(readFileSync(path).includes(dek)).toBe(false);
  });

  it('reserve real blocks for a ballast, and reserve them again when it was truncated', async () => {
    const path = join(directory, 'store.db');
    const bytes = 1024 * 1024;
    await (await open(path, bytes)).close();
    expect(statSync(`${path}.ballast`)).toMatchObject({ size: bytes });
    expect(statSync(`${path}.ballast`).blocks * 512).toBeGreaterThanOrEqual(bytes);
    writeFileSync(`${path}.ballast`, 'cut');
    await (await open(path, bytes)).close();
    expect(statSync(`${path}.ballast`)).toMatchObject({ size: bytes });
    expect(existsSync(`${path}.ballast.new`)).toBe(false);
  });

  it.each([
    ['is not a database', (file: Buffer) => Buffer.from('x'.repeat(file.length))],
    ['is truncated', (file: Buffer) => file.subarray(0, file.length - 4096 * 3)],
    ['has lost half a page', (file: Buffer) => file.subarray(0, 4096 * 5 + 2048)],
    ['has a zeroed page', (file: Buffer) => Buffer.from(file).fill(0, 4096, 8192)],
    ['has a zeroed schema', (file: Buffer) => Buffer.from(file).fill(0, 100, 4096)],
  ])('fail to open, with a remedy, when the file %s', async (_what, damage) => {
    const path = join(directory, 'store.db');
    await (await open(path)).close();
    writeFileSync(path, damage(readFileSync(path)));
    await expect(open(path)).rejects.toMatchObject({
      code: 'ERR_STORE_UNAVAILABLE',
      detail: `the store ${path} is damaged: restore it from a backup`,
    });
  });

  it('fail to open or fail with a code, but never crash, for any flipped bytes (F31)', async () => {
    const path = join(directory, 'store.db');
    const store = await open(path);
    for (let n = 0; n < 40; n += 1) {
      await store.commit({
        writes: [
          { table: 'leases', put: leaseRow(`l${n}`, { path: `a/${n}` }) },
          { table: 'secret_versions', put: versionRow('s', n, new Uint8Array(6_000).fill(n)) },
        ],
        entries: [`{"n":${n}}`],
        invalidates: [`k:${n}`],
      });
    }
    await store.close();
    const whole = readFileSync(path);
    const rounds = Number(process.env['ROUNDS'] ?? 60);
    const codes = new Set<string>();
    for (let round = 0; round < rounds; round += 1) {
      const damaged = Buffer.from(whole);
      // A walk over the whole file with strides that share no factor with the page size.
      for (let flip = 0; flip <= round % 4; flip += 1) {
        const at = (round * 40_009 + flip * 7_919) % damaged.length;
        damaged[at] = (damaged[at] ?? 0) ^ (1 << (round % 8));
      }
      writeFileSync(path, damaged);
      codes.add(await readAll(path));
    }
    expect(
      [...codes].filter(
        (code) => !['whole', 'ERR_STORE_UNAVAILABLE', 'ERR_CONFIG_INVALID'].includes(code),
      ),
    ).toEqual([]);
    expect(codes).toContain('ERR_STORE_UNAVAILABLE');
  });

  async function readAll(path: string): Promise<string> {
    let store: OpenedStore | undefined;
    try {
      store = await open(path, 0);
      for (const table of [
        'leases',
        'secret_versions',
        'audit_batches',
        'changes',
        'meta',
      ] as const) {
        await store.list(allRows(table), { limit: 1000 });
      }
      return 'whole';
    } catch (error) {
      return (error as { code?: string }).code ?? String(error);
    } finally {
      await store?.close();
    }
  }
});

describe('the version of SQLite', () => {
  it.each(['3.51.3', '3.52.0', '3.54.1', '4.0.0'])('is accepted: %s', (version) => {
    expect(() => assertSqliteVersion(version)).not.toThrow();
  });

  it.each(['3.51.2', '3.50.9', '3.7.0', '2.99.99', '3', '', 'x.y.z'])(
    'is refused: "%s" (F34)',
    (version) => {
      expect(() => assertSqliteVersion(version)).toThrow(
        expect.objectContaining({ code: 'ERR_CONFIG_INVALID' }),
      );
    },
  );
});
