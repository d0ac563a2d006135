import { existsSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import pg from 'pg';
import { createBucket } from '../kit/aws/aws-bucket.ts';
import { REGION, setCredentials } from '../kit/aws/aws-connection.ts';
import { createKmsKey } from '../kit/aws/kms-key.ts';
import { describeWith } from '../kit/backends/backends.ts';
import { createDatabase, type TestDatabase } from '../kit/backends/postgres.ts';
import { uniqueName } from '../kit/backends/unique-name.ts';
import { until } from '../kit/backends/until.ts';
import { Installation } from '../kit/broker/installation.ts';

/** Two brokers on PostgreSQL, with the key-encryption key in KMS, the log key in the store, and the checkpoint and the archive in S3. */
describeWith(['postgres', 'moto'], 'brokers without a common directory', ({ postgres, moto }) => {
  const { endpoint } = moto;
  const databases: TestDatabase[] = [];
  const brokers: Installation[] = [];
  let audit: Readonly<Record<string, unknown>>;
  let kek: object;
  let bucket: string;
  let admin: string;
  let recipient: string;
  let backups: string;

  const [origin, prefix] = ['quaymaster.test/apart', 'quaymaster/prod'];

  /** A broker with a directory of its own, in which only its configuration and the URL of its database are. */
  async function broker({ connectionString }: TestDatabase): Promise<Installation> {
    const made = await Installation.make();
    brokers.push(made);
    await made.write('dsn', connectionString);
    await made.configure(configurationOf(made));
    return made;
  }

  function configurationOf(
    one: Installation,
    more: object = {},
  ): Readonly<Record<string, unknown>> {
    const store = { type: 'postgres', connectionStringFile: one.file('dsn') };
    return { store, kek, audit, ...more };
  }

  const backup = (): object => ({ directory: backups, recipients: [recipient] });

  async function query(sql: string): Promise<void> {
    const client = new pg.Client({ connectionString: postgres.adminConnectionString });
    await client.connect();
    try {
      await client.query(sql);
    } finally {
      await client.end();
    }
  }

  const configOf = (one: Installation): readonly string[] => ['--config', one.file('config.yaml')];
  const reasonsOf = async (one: Installation): Promise<string> => {
    const answer = await fetch(`${one.url}/readyz`).catch(() => undefined);
    return (await answer?.text()) ?? '';
  };

  beforeAll(async () => {
    setCredentials();
    bucket = await createBucket(endpoint);
    const s3 = { type: 's3', bucket, region: REGION, endpoint };
    audit = {
      origin,
      logKey: 'store',
      checkpoint: { ...s3, prefix },
      archive: { to: { ...s3, prefix: 'archive' } },
    };
    const keyId = await createKmsKey(endpoint);
    kek = { type: 'aws-kms', connection: 'prod', region: REGION, endpoint, keyId };
    const database = await createDatabase(postgres);
    databases.push(database);
    const first = await broker(database);
    backups = first.file('backups');
    const printed = await first.verb('backup', 'keygen', first.file('backup.key'));
    recipient = /age1\w+/.exec(printed)?.[0] ?? '';
    await first.configure(configurationOf(first, { backup: backup() }));
    const second = await broker(database);
    admin = await first.initialise();
    await first.start();
    await second.start();
  });
  afterAll(async () => {
    for (const each of brokers) await each.remove();
    for (const each of databases) await each.drop();
  });

  it('keep no key and no checkpoint in a file', () => {
    for (const each of brokers) expect(existsSync(each.file('keys'))).toBe(false);
  });

  it('serve side by side: one reads what the other wrote', async () => {
    const [first, second] = brokers as [Installation, Installation];
    await first.create(admin, '/operators/one', { grants: [{ role: 'auditor' }] });
    await until('the second broker has it', async () => {
      const { status } = await second.call('GET', '/api/v1/operators/one', { token: admin });
      return status === 200;
    });
  });

  it('survive the death of one, and accept it again', async () => {
    const [first, second] = brokers as [Installation, Installation];
    await first.stop('SIGKILL');
    await second.create(admin, '/operators/two', { grants: [{ role: 'auditor' }] });
    await first.start();
    const { status } = await first.call('GET', '/api/v1/operators/two', { token: admin });
    expect(status).toBe(200);
  });

  it('wrap the log key again when the key-encryption key changes, and keep it when the root key does', async () => {
    const [first, second] = brokers as [Installation, Installation];
    const token = admin;
    const former = kek;
    kek = { ...kek, keyId: await createKmsKey(endpoint) };
    const keys = async (): Promise<Status['keys']> =>
      ((await first.call('GET', '/api/v1/keys', { token })).json as unknown as Status).keys;
    const find = async (state: string) => (await keys()).find((key) => key.state === state);
    const keksOfLog = async (): Promise<readonly string[]> => (await find('log'))?.keks ?? [];
    const restart = async (more: object): Promise<void> => {
      await first.stop();
      await first.configure(configurationOf(first, { backup: backup(), ...more }));
      await first.start();
    };
    await second.stop();
    const [old = ''] = await keksOfLog();
    await restart({ secondKek: former });
    await until('both keys wrap it', async () => (await keksOfLog()).length === 2);
    await restart({});
    const body = { reason: 'a test' };
    const retired = await first.call('POST', '/api/v1/keys:retire-kek', {
      token,
      body: { ...body, kek: old },
    });
    expect(retired.status).toBe(200);
    expect(await keksOfLog()).toHaveLength(1);
    expect(await keksOfLog()).not.toContain(old);
    const before = await find('active');
    const rotated = await first.call('POST', '/api/v1/keys:rotate', { token, body });
    expect(rotated.status).toBe(202);
    await until('the former root key is gone', async () => {
      const ids = (await keys()).map(({ id }) => id);
      return ids.length === 2 && !ids.includes(before?.id ?? '');
    });
    expect(await keksOfLog()).toHaveLength(1);
    await second.configure(configurationOf(second));
    await second.start();
  });

  it('wait sealed while the key-encryption key, and so the log key, cannot be opened', async () => {
    const [, second] = brokers as [Installation, Installation];
    await second.stop();
    const away = { ...kek, endpoint: 'http://127.0.0.1:9' };
    await second.configure(configurationOf(second, { kek: away }));
    const started = second.start().catch(() => undefined);
    await until('it answers probes', async () => (await reasonsOf(second)).includes('ERR_SEALED'));
    await second.stop();
    await started;
    await second.configure(configurationOf(second));
    await second.start();
  });

  it('export a log that verifies with the log key of the store', async () => {
    const [first] = brokers as [Installation];
    await first.verb('audit', 'export', ...configOf(first), first.file('export'));
    const printed = await first.verb('audit', 'verify', first.file('export'));
    expect(printed).toContain('verified:');
  });

  it('restore a backup to an empty database, whose log key is in the manifest', async () => {
    const [first] = brokers as [Installation];
    const token = { token: admin };
    const made = await first.call('POST', '/api/v1/backups', token);
    expect(made.status).toBeLessThan(300);
    await until('the backup is complete', async () => {
      const { json } = await first.call('GET', '/api/v1/backups', token);
      return (json['items'] as unknown[]).length === 1;
    });
    const { json } = await first.call('GET', '/api/v1/backups', token);
    const [{ name = '' } = {}] = json['items'] as { name?: string }[];
    const archive = `${backups}/${name}.age`;
    expect(await first.verb('backup', 'verify', ...configOf(first), archive)).toContain(
      'verified: manifest and archive',
    );
    const empty = await createDatabase(postgres);
    databases.push(empty);
    const restored = await broker(empty);
    const identity = ['--identity', first.file('backup.key')];
    expect(await restored.verb('restore', ...configOf(restored), ...identity, archive)).toContain(
      'restored and verified',
    );
    const manifest = `${backups}/${name}.manifest`;
    expect(await readFile(manifest, 'utf8')).toContain('"logKey":{"id":"lk_');
    await restored.remove();
  });

  it('hold a store that was rolled back, until an operator unlocks it', async () => {
    const [first, second] = brokers as [Installation, Installation];
    await first.stop();
    await second.stop();
    const name = uniqueName('db').replace('-', '_');
    const [database] = databases as [TestDatabase];
    const present = new URL(database.connectionString).pathname.slice(1);
    await query(`CREATE DATABASE ${name} TEMPLATE ${present}`);
    const connectionString = database.connectionString.replace(present, name);
    const old = {
      connectionString,
      drop: () => query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`),
    };
    databases.push(old);
    await first.start();
    await first.create(admin, '/operators/three', { grants: [{ role: 'auditor' }] });
    await first.stop();
    const rolledBack = await broker(old);
    const started = rolledBack.start().catch(() => undefined);
    await until('the broker is held', async () =>
      (await reasonsOf(rolledBack)).includes('store_behind'),
    );
    await rolledBack.stop();
    await started;
    const released = await rolledBack.verb(
      'release',
      ...configOf(rolledBack),
      '--comment',
      'a test',
    );
    expect(released).toContain('unlocked; the store was held because of store_behind');
    await rolledBack.start();
    const { status } = await rolledBack.call('GET', '/api/v1/operators', { token: admin });
    expect(status).toBe(200);
    await rolledBack.stop();
  });

  it('hold the newer store after the older one was unlocked', async () => {
    const [first] = brokers as [Installation];
    const started = first.start().catch(() => undefined);
    await until('the broker is held', async () =>
      (await reasonsOf(first)).includes('store_behind'),
    );
    await first.stop();
    await started;
  });

  it('move the log key to a file and back, and refuse another key', async () => {
    const moved = brokers.at(-1)!;
    const file = moved.file('log.key');
    const printed = await moved.verb('log-key', 'to-file', ...configOf(moved), file);
    expect(printed).toContain(`wrote the log key to ${file}`);
    await expect(moved.verb('audit', 'export', ...configOf(moved), 'x')).rejects.toThrow(
      'the store has no log key',
    );
    const common = Object.fromEntries(Object.entries(audit).filter(([name]) => name !== 'logKey'));
    const inFile = { ...common, logKeyFile: file };
    await moved.configure(configurationOf(moved, { audit: inFile }));
    await moved.start();
    await moved.stop();
    expect(await moved.verb('log-key', 'to-store', ...configOf(moved))).toContain(
      'the store keeps the log key now',
    );
    await rm(file);
    await moved.configure(configurationOf(moved));
    await moved.start();
    await moved.stop();
    await moved.write('other.key', OTHER_KEY);
    const other = { ...inFile, logKeyFile: moved.file('other.key') };
    await moved.configure(configurationOf(moved, { audit: other }));
    await expect(moved.verb('log-key', 'to-store', ...configOf(moved))).rejects.toThrow(
      'the store is held (log_damaged), and the log key stays where it is',
    );
  });
});

interface Status {
  readonly keys: readonly {
    readonly id: string;
    readonly state: string;
    readonly keks: readonly string[];
  }[];
}

/** A key that signed nothing of this log. */
const OTHER_KEY = `-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIKZVmKyJSt9kcsfzlGAeFSnUG5KdVTnZIXBiHSlgC+hZ
-----END PRIVATE KEY-----
`;
