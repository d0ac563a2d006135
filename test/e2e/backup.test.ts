import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { copyFile, mkdir, readdir, readFile, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { generateAgeKeyPair } from '../../src/crypto/encryption/age.ts';
import { until } from '../kit/backends/until.ts';
import { Installation } from '../kit/broker/installation.ts';
import { CommandLine, type Ran } from '../kit/cli/command-line.ts';

let broker: Installation;
let admin: string;
let directory: string;
let recipient: string;
/** An operator who may read secrets. */
let reader: string;

beforeAll(async () => {
  broker = await Installation.make();
  directory = broker.file('backups');
  await mkdir(broker.file('keys'), { recursive: true });
  const printed = await broker.verb('backup', 'keygen', broker.file('backup.key'));
  recipient = /age1\w+/.exec(printed)?.[0] ?? '';
  await broker.configure({ backup: { directory, recipients: [recipient], keep: 2 } });
  admin = await broker.initialise();
  await broker.start();
  await broker.create(admin, '/mounts/own', { prefix: 'own', connection: 'embedded' });
  await write('own/kept', 'kept');
  await broker.create(admin, '/policies/kept', policyOf('kept'));
});
afterAll(() => broker.remove());

const policyOf = (name: string): object => ({
  apiVersion: 'quaymaster.dev/v1',
  kind: 'AccessPolicy',
  metadata: { name },
  spec: {
    subjects: [{ clusters: ['c'], namespaces: ['n'], serviceAccounts: ['*'] }],
    rules: [{ name: 'r', effect: 'allow', paths: ['own/kept'], capabilities: ['read'] }],
  },
});

async function write(path: string, value: string): Promise<void> {
  const headers = { 'if-none-match': '*' };
  const body = { data: { value } };
  const answer = await broker.call('PUT', `/api/v1/secrets/${path}`, {
    token: admin,
    body,
    headers,
  });
  expect(answer.status).toBe(201);
}

interface Run {
  readonly state: string;
  readonly error?: string;
  readonly backup?: { readonly name: string; readonly entries: number };
}

/** Starts a backup and waits for its end. */
async function backUp(): Promise<Run> {
  const started = await broker.call('POST', '/api/v1/backups', { token: admin });
  expect(started.status).toBe(202);
  let run: Run | undefined;
  await until('the backup ends', async () => {
    const { json } = await broker.call('GET', '/api/v1/backups', { token: admin });
    run = json['run'] as Run;
    return run.state !== 'running';
  });
  return run as Run;
}

const config = (): readonly string[] => ['--config', broker.file('config.yaml')];
const archiveOf = ({ backup }: Run): string => join(directory, `${backup?.name ?? ''}.age`);
const failureOf = (work: Promise<string>): Promise<string> =>
  work.then(
    () => 'no failure',
    (error: unknown) => (error as { stderr: string }).stderr,
  );

describe('a backup of a running broker', () => {
  let first: Run;

  it('is made while requests are served, and has only the archive and its signed manifest (F40)', async () => {
    first = await backUp();
    expect(first).toMatchObject({ state: 'done' });
    const name = first.backup?.name ?? '';
    expect((await readdir(directory)).sort()).toEqual([`${name}.age`, `${name}.manifest`]);
    expect((await stat(archiveOf(first))).mode & 0o077).toBe(0);
    expect(await readdir(broker.file('store'))).not.toContain('quaymaster.db.backup');
    const archive = await readFile(archiveOf(first));
    expect(archive.subarray(0, 21).toString()).toBe('age-encryption.org/v1');
    expect(archive.includes('own/kept')).toBe(false);
  });

  it('is in the log: the request of the operator and the result', async () => {
    const query = '/api/v1/audit/entries?action=backup.create&outcome=ok';
    let found: readonly object[] = [];
    await until('both entries are in the log', async () => {
      const { json } = await broker.call('GET', query, { token: admin });
      found = json['items'] as object[];
      return found.length === 2;
    });
    const [result, request] = found.map((item) => JSON.stringify(item));
    expect(request).toContain('"id":"bootstrap"');
    expect(result).toContain('"id":"backup"');
    expect(result).toContain(first.backup?.name);
  });

  it('verifies against its manifest, and with the secret key in all its parts', async () => {
    const words = ['backup', 'verify', archiveOf(first), ...config()];
    expect(await broker.verb(...words)).toContain('verified: manifest and archive');
    const identity = ['--identity', broker.file('backup.key')];
    expect(await broker.verb(...words, ...identity)).toContain('digests of all rows');
  });

  it('is refused with the reason when archive, manifest or key are wrong', async () => {
    const bad = broker.file('bad');
    await mkdir(bad);
    const name = first.backup?.name ?? '';
    const archive = join(bad, `${name}.age`);
    const manifest = join(bad, `${name}.manifest`);
    await copyFile(archiveOf(first), archive);
    const words = ['backup', 'verify', archive, ...config()];
    expect(await failureOf(broker.verb(...words))).toContain(`cannot read ${manifest}: ENOENT`);
    const note = await readFile(join(directory, `${name}.manifest`), 'utf8');
    await writeFile(manifest, note.replace('"release":"', '"release":"9'));
    expect(await failureOf(broker.verb(...words))).toContain('did not sign');
    await writeFile(manifest, note);
    await truncate(archive, (await stat(archive)).size - 1);
    expect(await failureOf(broker.verb(...words))).toContain('is not the archive of its manifest');
    const other = (await generateAgeKeyPair()).identity;
    const wrongKey = await broker.write('other.key', `${other}\n`);
    const withKey = ['backup', 'verify', archiveOf(first), ...config(), '--identity', wrongKey];
    expect(await failureOf(broker.verb(...withKey))).toContain(`its recipients: ${recipient}`);
  });

  it('deletes the oldest beyond the number to keep', async () => {
    await backUp();
    const last = await backUp();
    const { json } = await broker.call('GET', '/api/v1/backups', { token: admin });
    const names = (json['items'] as { name: string }[]).map(({ name }) => name);
    expect(names).toHaveLength(2);
    expect(names[0]).toBe(last.backup?.name);
    expect(names).not.toContain(first.backup?.name);
  });

  it('needs an admin', async () => {
    expect((await broker.call('POST', '/api/v1/backups')).status).toBe(401);
    await broker.create(admin, '/operators/reader', { grants: [{ role: 'secret-reader' }] });
    const minted = await broker.call('POST', '/api/v1/operators/reader/tokens', {
      token: admin,
      body: { ttl: '1h' },
    });
    const token = minted.json['token'] as string;
    reader = token;
    expect((await broker.call('POST', '/api/v1/backups', { token })).status).toBe(403);
    expect((await broker.call('GET', '/api/v1/backups', { token })).status).toBe(403);
  });
});

describe('a drill', () => {
  let shell: CommandLine;

  beforeAll(async () => {
    shell = await CommandLine.make({
      QUAYMASTER_URL: broker.url,
      QUAYMASTER_TOKEN_FILE: await broker.write('admin.token', admin),
    });
  });
  afterAll(() => shell.remove());

  const drill = (identity: string): Promise<Ran> =>
    shell.run('drill', ...config(), '--identity', identity, '--directory', shell.directory);

  it('restores the newest backup elsewhere, checks it whole, and leaves an entry', async () => {
    const { code, out } = await drill(broker.file('backup.key'));
    const checks = ['backup', 'age', 'restore', 'log', 'kek'].map((name) => `ok       ${name}: `);
    for (const line of [...checks, 'skipped  notifications: ', 'ok       entry: '])
      expect(out).toContain(line);
    expect(code).toBe(0);
    expect((await readdir(shell.directory)).filter((name) => name.includes('drill'))).toEqual([]);
    const query = '/api/v1/audit/entries?action=drill.record';
    await until('the entry is in the log', async () => {
      const { json } = await broker.call('GET', query, { token: admin });
      return JSON.stringify(json).includes('backup: ok, age: ok, restore: ok, log: ok, kek: ok');
    });
  });

  it('fails with the reason for a key that is not a recipient, and says so in the entry', async () => {
    const { identity } = await generateAgeKeyPair();
    const { code, out } = await drill(await broker.write('no-recipient.key', `${identity}\n`));
    expect(code).toBe(1);
    expect(out).toMatch(
      /^FAILED {3}restore: ERR_CIPHERTEXT_INVALID: the identity in .* does not open/m,
    );
    expect(out).toContain('ok       entry: ');
  });

  it('fails if its entry cannot be made', async () => {
    const stranger = await broker.write('reader.token', reader);
    const own = ['--token-file', stranger, '--identity', broker.file('backup.key')];
    const { code, out } = await shell.run('drill', ...config(), ...own);
    expect(code).toBe(1);
    expect(out).toContain('ok       restore: ');
    expect(out).toContain('FAILED   entry: not recorded: ERR_DENIED');
  });
});

describe('a restore', () => {
  let made: Run;
  const restore = (...more: readonly string[]): Promise<string> =>
    broker.verb(
      'restore',
      archiveOf(made),
      ...config(),
      '--identity',
      broker.file('backup.key'),
      ...more,
    );

  it('refuses to replace an existing store, and one that a broker uses', async () => {
    // Under load: commits continue while the pages are copied, and after a backup that reported its end.
    const names = Array.from({ length: 40 }, (_, index) => `own/load-${index}`);
    const load = names.reduce(
      (before, name) => before.then(() => write(name, name)),
      Promise.resolve(),
    );
    made = await backUp();
    await load;
    await write('own/later', 'later');
    const deleted = await broker.call('DELETE', '/api/v1/policies/kept', {
      token: admin,
      headers: { 'if-match': '*' },
    });
    expect(deleted.status).toBe(204);
    expect(await failureOf(restore())).toContain('add --replace');
    expect(await failureOf(restore('--replace'))).toContain('another process');
    await broker.stop();
    await broker.verb('audit', 'export', broker.file('newer'), ...config());
  });

  it('restores the store, keeps the previous one, and lists the changes to apply again', async () => {
    const printed = await restore('--replace', '--newer-log', broker.file('newer'));
    expect(printed).toMatch(
      /removals and restrictions[^\n]*\(1\)\n {2}\d+ .* document\.delete {2}policy\/kept {2}by bootstrap/,
    );
    expect(printed).toMatch(
      /written or restored secrets[^\n]*\n(?: .*own\/load-\d+ .*\n)* {2}\d+ .* secret\.write {2}own\/later/,
    );
    const files = await readdir(broker.file('store'));
    expect(files.filter((name) => name.includes('.before-'))).toHaveLength(1);
    expect(files.some((name) => name.includes('.restore'))).toBe(false);
  });

  it('is held at the next start until a release, and then serves its data (F40)', async () => {
    const starting = broker.start().catch(() => undefined);
    await until('the broker says why it is held', async () => {
      const answer = await broker.call('GET', '/readyz').catch(() => undefined);
      return JSON.stringify(answer?.json ?? {}).includes('store_behind');
    });
    await broker.stop();
    await starting;
    const before = broker.file('keys/checkpoint');
    const logKey = JSON.parse(await readFile(broker.file('newer/manifest.json'), 'utf8')) as {
      readonly logKey: string;
    };
    await copyFile(before, broker.file('lost.checkpoint'));
    const printed = await broker.verb('release', ...config(), '--comment', 'restored');
    expect(printed).toMatch(/continues under the new origin \S+\/\d{8}T\d{9}Z/);
    expect((await readFile(before, 'utf8')).split('\n')[0]).toMatch(/\/\d{8}T\d{9}Z$/);
    await broker.verb('audit', 'export', broker.file('after'), ...config());
    const verify = ['audit', 'verify', broker.file('after'), '--log-key', logKey.logKey];
    expect(await broker.verb(...verify)).toMatch(/^verified: [^]*entry \d+: released as/);
    const withLost = [...verify, '--checkpoint', broker.file('lost.checkpoint')];
    const refused = await broker
      .verb(...withLost)
      .catch((error: unknown) => (error as { stdout: string }).stdout);
    expect(refused).toMatch(/VERIFICATION FAILED[^]*tail_missing: [^]*The log was restored/);
    await broker.start();
    const read = (path: string): Promise<{ status: number }> =>
      broker.call('GET', `/api/v1/policies/${path}`, { token: admin });
    expect((await read('kept')).status).toBe(200);
    const list = await broker.call('GET', '/api/v1/secrets?prefix=own', { token: admin });
    const restored = (list.json['items'] as { path: string }[]).map(({ path }) => path);
    expect(restored).toContain('own/kept');
    expect(restored).not.toContain('own/later');
    for (const path of restored) {
      const { json } = await broker.call('GET', `/api/v1/secrets/${path}`, { token: reader });
      expect(JSON.stringify(json)).toContain(path === 'own/kept' ? '"kept"' : `"${path}"`);
    }
  });

  it('is backed up under its new origin, and earlier backups stay valid', async () => {
    const next = await backUp();
    expect(next).toMatchObject({ state: 'done' });
    const identity = ['--identity', broker.file('backup.key')];
    for (const run of [made, next]) {
      const words = ['backup', 'verify', archiveOf(run), ...config(), ...identity];
      expect(await broker.verb(...words)).toContain('digests of all rows');
    }
    const { json } = await broker.call('GET', '/api/v1/backups', { token: admin });
    expect((json['items'] as { name: string }[]).map(({ name }) => name)).toContain(
      made.backup?.name,
    );
  });
});
