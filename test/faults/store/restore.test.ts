import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { copyFile, cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import Driver from 'better-sqlite3';
import { logIdentity } from '../../../src/audit/records/log-identity.ts';
import { loadLogKeyFile } from '../../../src/audit/records/log-key.ts';
import { encryptFile } from '../../../src/features/copies/backup-file.ts';
import { openManifest, signManifest } from '../../../src/features/copies/manifest.ts';
import { until } from '../../kit/backends/until.ts';
import { Installation } from '../../kit/broker/installation.ts';
import { canMount, itIfMounted, leftOut, SmallDisk } from '../../kit/files/small-disk.ts';

const ORIGIN = 'quaymaster.test/e2e';

let broker: Installation;
let recipient: string;
let backups: string;
/** Names of two backups, the older one first. */
let made: readonly string[];

const config = (): readonly string[] => ['--config', broker.file('config.yaml')];
const identity = (): readonly string[] => ['--identity', broker.file('backup.key')];
const storePath = (): string => broker.file('store/quaymaster.db');

beforeAll(async () => {
  broker = await Installation.make();
  backups = broker.file('backups');
  await mkdir(broker.file('keys'), { recursive: true });
  const printed = await broker.verb('backup', 'keygen', broker.file('backup.key'));
  recipient = /age1\w+/.exec(printed)?.[0] ?? '';
  await broker.configure({ backup: { directory: backups, recipients: [recipient] } });
  const token = await broker.initialise();
  await broker.start();
  made = [await backUp(token), await backUp(token)];
  await broker.create(token, '/mounts/later', { prefix: 'later', connection: 'embedded' });
  await broker.stop();
  await cp(broker.file('store'), broker.file('whole'), { recursive: true });
});
afterAll(() => broker.remove());

async function backUp(token: string): Promise<string> {
  expect((await broker.call('POST', '/api/v1/backups', { token })).status).toBe(202);
  let name = '';
  await until('the backup ends', async () => {
    const { json } = await broker.call('GET', '/api/v1/backups', { token });
    const run = json['run'] as { state: string; backup?: { name: string } };
    name = run.backup?.name ?? '';
    return run.state === 'done';
  });
  return name;
}

/** An archive with its manifest in a directory of their own. */
async function copyOf(name: string, from = backups): Promise<string> {
  const directory = broker.file(`copy-${Math.random().toString(36).slice(2)}`);
  await mkdir(directory);
  for (const ending of ['.age', '.manifest'])
    await copyFile(join(from, name + ending), join(directory, name + ending));
  return join(directory, `${name}.age`);
}

async function failureOf(work: Promise<string>): Promise<string> {
  return work.then(
    (text) => `no failure: ${text}`,
    (error: unknown) => (error as { stderr: string }).stderr,
  );
}

const restore = (archive: string, ...more: readonly string[]): Promise<string> =>
  broker.verb('restore', archive, ...config(), ...identity(), '--replace', ...more);

/** The number of entries in the tree of the store; undefined unless it is a whole store. */
function entriesIn(path: string): number | undefined {
  const database = new Driver(path, { readonly: true, fileMustExist: true });
  try {
    if (database.pragma('integrity_check(1)', { simple: true }) !== 'ok') return undefined;
    const query = 'SELECT max("size") FROM "log_checkpoints"';
    return database.prepare(query).pluck().get() as number;
  } finally {
    database.close();
  }
}

const entriesOf = async (name: string): Promise<number> => {
  const log = logIdentity(ORIGIN, await loadLogKeyFile(broker.file('keys/log.pem')));
  const note = await readFile(join(backups, `${name}.manifest`), 'utf8');
  return Number(openManifest(note, log.verifier).checkpoint.split('\n')[1]);
};

async function expectUnchanged(): Promise<void> {
  const files = readdirSync(broker.file('store'));
  expect(files.filter((file) => /restore|before|verify/.test(file))).toEqual([]);
  const [now, before] = await Promise.all(
    [storePath(), broker.file('whole/quaymaster.db')].map((path) => readFile(path)),
  );
  expect(now?.equals(before ?? Buffer.alloc(0))).toBe(true);
}

/** Flips one bit at a share of the file. */
async function flip(path: string, share: number): Promise<void> {
  const bytes = await readFile(path);
  const at = Math.min(bytes.length - 1, Math.floor(bytes.length * share));
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  await writeFile(path, bytes);
}

describe('a restore of a manipulated backup', () => {
  it.each([0, 0.001, 0.3, 0.6, 1])(
    'names the file and changes nothing with a flipped bit at %d of the archive (F31)',
    async (share) => {
      const archive = await copyOf(made[0] ?? '');
      await flip(archive, share);
      expect(await failureOf(restore(archive))).toMatch(
        /ERR_CIPHERTEXT_INVALID: \S+\.age is not the archive of its manifest/,
      );
      await expectUnchanged();
    },
  );

  it.each([0, 0.05, 0.5, 0.8, 0.97])(
    'names the file and changes nothing with a flipped bit at %d of the manifest',
    async (share) => {
      const archive = await copyOf(made[0] ?? '');
      const manifest = archive.replace('.age', '.manifest');
      await flip(manifest, share);
      const text = await failureOf(restore(archive));
      expect(text).toMatch(/ERR_CIPHERTEXT_INVALID: .*did not sign \S+\.manifest/);
      await expectUnchanged();
    },
  );

  it('names the file and changes nothing with the manifest of another backup, or the archive of another', async () => {
    const [first = '', second = ''] = made;
    const archive = await copyOf(first);
    await copyFile(join(backups, `${second}.manifest`), archive.replace('.age', '.manifest'));
    expect(await failureOf(restore(archive))).toContain(`is the manifest of ${second}`);
    const other = await copyOf(first);
    await copyFile(join(backups, `${second}.age`), other);
    expect(await failureOf(restore(other))).toContain('is not the archive of its manifest');
    await expectUnchanged();
  });

  it('names the file and changes nothing with another log key, and with the secret key of another recipient', async () => {
    const archive = await copyOf(made[0] ?? '');
    await broker.verb('backup', 'keygen', broker.file('other.key'));
    const wrong = await failureOf(
      broker.verb(
        'restore',
        archive,
        ...config(),
        '--replace',
        '--identity',
        broker.file('other.key'),
      ),
    );
    expect(wrong).toContain(`does not open ${archive}; its recipients: ${recipient}`);
    const text = await readFile(broker.file('config.yaml'), 'utf8');
    const foreign = await broker.write('foreign.yaml', text.replace(ORIGIN, `${ORIGIN}-2`));
    const words = ['restore', archive, '--config', foreign, ...identity(), '--replace'];
    expect(await failureOf(broker.verb(...words))).toContain('did not sign');
    await expectUnchanged();
  });

  /** An archive that the installation could have made of this database. */
  async function archiveOf(change: (database: Driver.Database) => void): Promise<string> {
    const archive = await copyOf(made[0] ?? '');
    const log = logIdentity(ORIGIN, await loadLogKeyFile(broker.file('keys/log.pem')));
    const manifestFile = archive.replace('.age', '.manifest');
    const manifest = openManifest(await readFile(manifestFile, 'utf8'), log.verifier);
    const plain = broker.file('changed.db');
    await rm(plain, { force: true });
    await copyFile(broker.file('whole/quaymaster.db'), plain);
    const database = new Driver(plain);
    database.pragma('journal_mode = DELETE');
    change(database);
    database.close();
    await rm(archive);
    const facts = await encryptFile(plain, archive, [recipient], () => undefined);
    const files = { store: facts.plain, archive: facts.encrypted };
    await writeFile(manifestFile, signManifest({ ...manifest, ...files }, log));
    return archive;
  }

  it('refuses a backup of a newer release, names the file and changes nothing', async () => {
    const archive = await archiveOf((database) =>
      database.exec(
        `INSERT INTO "quaymaster_schema" SELECT max("version") + 1, 'later', 'x', 'x' FROM "quaymaster_schema"; UPDATE "meta" SET "value" = 'later' WHERE "key" = 'migrations'`,
      ),
    );
    expect(await failureOf(restore(archive))).toMatch(
      /the store has schema \d+, .*run a newer program/,
    );
    await expectUnchanged();
  });

  it.each([
    ['a row', `UPDATE "documents" SET "body" = '{}' WHERE "kind" = 'operator'`, 'documents'],
    ['a deleted row', `DELETE FROM "documents" WHERE "kind" = 'operator'`, 'documents'],
    ['the log', `DELETE FROM "log_tiles" WHERE "level" = 0`, 'ERR_CIPHERTEXT_INVALID'],
    ['the schema', `CREATE TRIGGER "t" AFTER INSERT ON "meta" BEGIN SELECT 1; END`, 'trigger'],
  ])(
    'names the file and changes nothing if the signature is over %s that is not the one of the broker',
    async (_what, sql, expected) => {
      const archive = await archiveOf((database) => database.exec(sql));
      expect(await failureOf(restore(archive))).toContain(expected);
      await expectUnchanged();
    },
  );
});

describe('a restore that is interrupted', () => {
  const previous = (): readonly string[] =>
    readdirSync(broker.file('store')).filter((file) => file.includes('.before-'));

  const numberOf = (path: string): number => statSync(path).ino;

  /** Kills a restore when the condition is true, or after a time. @returns whether it was killed */
  async function killedWhen(isDue: () => boolean, latestMs: number): Promise<boolean> {
    const main = fileURLToPath(new URL('../../../dist/quaymaster.cjs', import.meta.url));
    const archive = join(backups, `${made[0]}.age`);
    const words = ['restore', archive, ...config(), ...identity(), '--replace'];
    const child = spawn(process.execPath, [main, ...words], { stdio: 'ignore' });
    const ended = once(child, 'exit');
    const isRunning = (): boolean => child.exitCode === null;
    for (let waited = 0; isRunning() && !isDue() && waited < latestMs; waited += 1) await pause(1);
    child.kill('SIGKILL');
    const [, signal] = (await ended) as [number | null, string | null];
    return signal === 'SIGKILL';
  }

  it('leaves the present store or the restored one, always whole (F40)', async () => {
    const sizes = [entriesIn(storePath()), await entriesOf(made[0] ?? '')];
    const draft = `${storePath()}.restore`;
    let kills = 0;
    for (const [isDue, latestMs] of [
      [() => existsSync(draft), 20_000],
      [() => existsSync(`${draft}-wal`), 20_000],
      [() => previous().length > 0, 20_000],
      ...[150, 300, 450, 600, 900].map((ms) => [() => false, ms] as const),
    ] as const) {
      const inPlace = numberOf(storePath());
      if (await killedWhen(isDue, latestMs)) kills += 1;
      expect(existsSync(storePath())).toBe(true);
      // SQLite would apply the write-ahead log of the replaced store to the restored one.
      if (existsSync(`${storePath()}-wal`)) expect(numberOf(storePath())).toBe(inPlace);
      expect(sizes).toContain(entriesIn(storePath()));
    }
    expect(kills).toBeGreaterThan(2);
  });

  it('is repeated, also twice, and keeps each store that it replaces', async () => {
    for (const name of made) await restore(join(backups, `${name}.age`));
    expect(previous().length).toBeGreaterThan(1);
    const kept = previous().map((file) => numberOf(broker.file(`store/${file}`)));
    expect(new Set([...kept, numberOf(storePath())]).size).toBe(kept.length + 1);
    expect(entriesIn(storePath())).toBe(await entriesOf(made[1] ?? ''));
    expect(readdirSync(broker.file('store')).filter((file) => file.includes('.restore'))).toEqual(
      [],
    );
  });

  it('is held until a release, whichever store is in place (F31)', async () => {
    const starting = broker.start().catch(() => undefined);
    await until('the broker says why it is held', async () => {
      const answer = await broker.call('GET', '/readyz').catch(() => undefined);
      return JSON.stringify(answer?.json ?? {}).includes('store_behind');
    });
    await broker.stop();
    await starting;
  });
});

describe(`with a full disk${leftOut}`, () => {
  let disk: SmallDisk | undefined;
  beforeAll(() => {
    disk = canMount ? SmallDisk.mount('256k') : undefined;
  });
  afterAll(() => disk?.unmount());

  itIfMounted(
    'a restore says so and leaves nothing behind',
    async () => {
      const text = await readFile(broker.file('config.yaml'), 'utf8');
      const place = join(disk?.path ?? '', 'store');
      await mkdir(place, { mode: 0o700 });
      const small = await broker.write('small.yaml', text.replace(broker.file('store'), place));
      const archive = join(backups, `${made[0]}.age`);
      const failure = await failureOf(
        broker.verb('restore', archive, '--config', small, ...identity()),
      );
      expect(failure).toMatch(
        /ERR_STORE_UNAVAILABLE: .*the disk is full \(ENOSPC\)\. Nothing was replaced/,
      );
      expect(readdirSync(place)).toEqual([]);
    },
    60_000,
  );

  itIfMounted('the encryption of an archive fails with the code of the disk', async () => {
    const to = join(disk?.path ?? '', 'archive');
    const from = broker.file('whole/quaymaster.db');
    await expect(encryptFile(from, to, [recipient], () => undefined)).rejects.toMatchObject({
      code: 'ENOSPC',
    });
  });
});
