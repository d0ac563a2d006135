import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { applyDocument, deleteDocument } from '../../../src/broker/documents/apply-document.ts';
import type { LiveOperator } from '../../../src/broker/state/operator-token-memory.ts';
import type { RunningBroker } from '../../../src/program/broker/broker.ts';
import { runAuditExport } from '../../../src/program/verbs/audit-export.ts';
import {
  runBackupKeygen,
  runBackupVerify,
  runRestore,
} from '../../../src/program/verbs/backups.ts';
import { runDrillChecks, type DrillCheck } from '../../../src/program/verbs/drill.ts';
import { runRelease } from '../../../src/program/verbs/release.ts';
import type { BackupRun } from '../../../src/ports/backups.ts';
import type { Claim } from '../../../src/ports/claims.ts';
import { systemClock } from '../../../src/process/clock.ts';
import { storeClaims } from '../../../src/store/claims.ts';
import { describeWith } from '../../kit/backends/backends.ts';
import { createDatabase, type TestDatabase } from '../../kit/backends/postgres.ts';
import { until } from '../../kit/backends/until.ts';
import { newCall } from '../../kit/broker/api-call.ts';
import { PROGRAM } from '../../kit/broker/dev-broker.ts';
import { policy } from '../../kit/broker/test-broker.ts';
import { AttackedInstallation } from '../../kit/log/attacked-installation.ts';
import { fastClock } from '../../kit/time/fast-clock.ts';

const quiet = (): void => undefined;

describeWith(['postgres'], 'the backups of a PostgreSQL store', ({ postgres }) => {
  let own: AttackedInstallation;
  let directory: string;
  let backups: string;
  let copies: string;
  let identity: string;
  let config: string;
  let connectionStringFile: string;
  let database: TestDatabase;
  let token: string;
  let operator: LiveOperator;
  let brokers: RunningBroker[];
  let databases: TestDatabase[];

  beforeEach(async () => {
    brokers = [];
    databases = [];
    directory = await mkdtemp(join(tmpdir(), 'qm-pg-backup-'));
    connectionStringFile = join(directory, 'connection');
    database = await nextDatabase();
    identity = join(directory, 'backup.key');
    const recipient = /age1\w+/.exec(await runBackupKeygen(identity))?.[0] ?? '';
    own = await AttackedInstallation.make((at) => {
      backups = join(at, 'backups');
      copies = at;
      return {
        store: { type: 'postgres', connectionStringFile },
        backup: {
          directory: backups,
          copyDirectory: at,
          recipients: [recipient],
          intervalHours: 24,
          keep: 2,
        },
      };
    });
    token = await own.init();
    config = own.at('config.json');
    await writeFile(config, JSON.stringify(own.config));
    const broker = await start();
    operator = (await broker.parts.tokens.find(token, broker.parts.catalog))!;
  });
  afterEach(async () => {
    await stop();
    for (const { drop } of databases) await drop();
    await own.remove();
    await rm(directory, { recursive: true });
  });

  /** Creates an empty database, which the configuration names from then on. */
  async function nextDatabase(): Promise<TestDatabase> {
    const made = await createDatabase(postgres);
    databases.push(made);
    await writeFile(connectionStringFile, made.connectionString, { mode: 0o600 });
    return made;
  }

  async function start(): Promise<RunningBroker> {
    const broker = await own.open();
    brokers.push(broker);
    return broker;
  }

  async function stop(): Promise<void> {
    for (const broker of brokers.splice(0)) await broker.close('test');
  }

  async function sql(text: string): Promise<void> {
    const client = new pg.Client({ connectionString: database.connectionString });
    await client.connect();
    try {
      await client.query(text);
    } finally {
      await client.end();
    }
  }

  async function save(name: string): Promise<void> {
    const body = policy(name, ['app/db']);
    const precondition = { ifNoneMatch: '*' } as const;
    const change = { kind: 'policy', name, body, precondition } as const;
    await applyDocument(brokers[0]!.parts, newCall(), operator, change);
  }

  const ended = async (broker: RunningBroker): Promise<BackupRun> => {
    const { backups: made } = broker.parts;
    await until('the backup has ended', () =>
      Promise.resolve(made?.run() !== undefined && made.run()!.state !== 'running'),
    );
    return made!.run()!;
  };
  const backUp = (broker: RunningBroker): Promise<BackupRun> => {
    broker.parts.backups!.start();
    return ended(broker);
  };
  const archiveOf = ({ backup }: BackupRun): string => join(backups, `${backup?.name ?? ''}.age`);
  const leftCopies = async (): Promise<readonly string[]> =>
    (await readdir(copies)).filter((name) => name.startsWith('quaymaster-'));

  it('makes one scheduled backup for two brokers, which both list it', async () => {
    const [first, second] = [brokers[0]!, await start()];
    await until('a broker has made the backup', async () => {
      const made = await Promise.all([first, second].map(({ parts }) => parts.backups!.list()));
      return made.every((list) => list.length > 0);
    });
    const lists = await Promise.all([first, second].map(({ parts }) => parts.backups!.list()));
    expect(lists[0]).toHaveLength(1);
    expect(lists[1]).toEqual(lists[0]);
    for (const broker of [first, second]) {
      expect(broker.parts.backups!.last).toBe(lists[0]![0]!.createdAt);
      expect(broker.warnings()).not.toContain('backup_failed');
    }
    const { name } = lists[0]![0]!;
    expect((await readdir(backups)).sort()).toEqual([`${name}.age`, `${name}.manifest`]);
    expect(await leftCopies()).toEqual([]);
  });

  it('is encrypted, verifies in all its parts, and passes the drill without a database', async () => {
    await ended(brokers[0]!);
    await save('kept');
    const run = await backUp(brokers[0]!);
    expect(run).toMatchObject({ state: 'done' });
    const archive = await readFile(archiveOf(run));
    expect(archive.subarray(0, 21).toString()).toBe('age-encryption.org/v1');
    expect(archive.includes('kept')).toBe(false);
    expect((await stat(archiveOf(run))).mode & 0o077).toBe(0);
    const text = await runBackupVerify(archiveOf(run), { config, identity }, quiet);
    expect(text).toContain('the digests of all rows');
    const checks = await runDrillChecks({ config, identity, directory: copies }, quiet);
    expect(checks.map(({ name, state }) => `${name} ${state}`)).toEqual([
      'backup ok',
      'age ok',
      'restore ok',
      'log ok',
      'kek ok',
      'notifications skipped',
    ]);
    expect(await leftCopies()).toEqual([]);
  });

  it('passes the drill in a scratch database, which is empty afterwards, and never in its own', async () => {
    await ended(brokers[0]!);
    const drill = async (scratchDatabase: string): Promise<DrillCheck | undefined> => {
      const options = { config, identity, directory: copies, scratchDatabase };
      const checks = await runDrillChecks(options, quiet);
      return checks.find(({ name }) => name === 'database');
    };
    const own = await drill(connectionStringFile);
    expect(own).toMatchObject({ state: 'failed', text: expect.stringContaining('ERR_CONFLICT') });
    await save('kept');
    const scratch = await createDatabase(postgres);
    databases.push(scratch);
    const file = join(directory, 'scratch');
    await writeFile(file, scratch.connectionString, { mode: 0o600 });
    for (let time = 0; time < 2; time += 1)
      expect(await drill(file)).toMatchObject({ state: 'ok' });
    const client = new pg.Client({ connectionString: scratch.connectionString });
    await client.connect();
    const { rows } = await client.query(
      `SELECT (SELECT count(*) FROM documents) + (SELECT count(*) FROM audit_batches) AS "n"`,
    );
    await client.end();
    expect(rows).toEqual([{ n: '0' }]);
  });

  it('empties a scratch database whose rows do not verify, and touches none for a damaged archive', async () => {
    const made = await ended(brokers[0]!);
    const scratch = await createDatabase(postgres);
    databases.push(scratch);
    const scratchDatabase = join(directory, 'scratch');
    await writeFile(scratchDatabase, scratch.connectionString, { mode: 0o600 });
    const drill = async (): Promise<readonly string[]> => {
      const options = { config, identity, directory: copies, scratchDatabase };
      const checks = await runDrillChecks(options, quiet);
      return checks.map(({ name, state }) => `${name} ${state}`);
    };
    expect(await drill()).toContain('database ok');
    const client = new pg.Client({ connectionString: scratch.connectionString });
    await client.connect();
    const content = async (): Promise<number> => {
      const { rows } = await client.query<{ n: number }>(
        `SELECT ((SELECT count(*) FROM documents) + (SELECT count(*) FROM audit_batches))::int AS "n"`,
      );
      return rows[0]?.n ?? -1;
    };
    // The server changes a row on its way into the table.
    await client.query(
      `CREATE FUNCTION change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.body := NEW.body || ' '; RETURN NEW; END $$;
       CREATE TRIGGER change BEFORE INSERT ON documents FOR EACH ROW EXECUTE FUNCTION change()`,
    );
    expect(await drill()).toEqual(expect.arrayContaining(['restore ok', 'database failed']));
    expect(await content()).toBe(0);
    await client.query('DROP TRIGGER change ON documents; DROP FUNCTION change');
    expect(await drill()).toContain('database ok');

    const archive = await readFile(archiveOf(made));
    const last = archive.length - 1;
    archive[last] = archive[last]! ^ 1;
    await writeFile(archiveOf(made), archive);
    expect(await drill()).toEqual(['backup failed', 'notifications skipped']);
    expect(await content()).toBe(0);
    await client.end();
  });

  it('removes what a broker left that was killed during a backup', async () => {
    await ended(brokers[0]!);
    await stop();
    const [node, ...words] = PROGRAM;
    const process = spawn(node, [...words, 'serve', '--config', config], { stdio: 'pipe' });
    const gone = once(process, 'exit');
    let output = '';
    process.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    let url = '';
    await until('the broker listens', () => {
      url = /"url":"([^"]+)"/.exec(output)?.[1] ?? '';
      return Promise.resolve(url !== '');
    });
    // A table that the snapshot cannot lock keeps the copy waiting.
    const blocker = new pg.Client({ connectionString: database.connectionString });
    await blocker.connect();
    await blocker.query('BEGIN; LOCK TABLE wrapped_answers IN ACCESS EXCLUSIVE MODE');
    const headers = { authorization: `Bearer ${token}` };
    expect((await fetch(`${url}/api/v1/backups`, { method: 'POST', headers })).status).toBe(202);
    await until('its copy is there', async () => (await leftCopies()).length > 0);
    process.kill('SIGKILL');
    await gone;
    await blocker.query('ROLLBACK');
    await blocker.end();
    expect(await leftCopies()).toHaveLength(1);
    // The claim of the killed broker expires after half a minute, and the broker tries once a minute.
    own.clock = fastClock(systemClock.now(), 60);
    await start();
    await until('the copy is gone', async () => (await leftCopies()).length === 0);
  });

  it('removes no copy while another broker may be making it', async () => {
    const [broker] = brokers as [RunningBroker];
    await ended(broker);
    const { store, installation } = broker.parts;
    own.clock = fastClock(systemClock.now(), 60);
    const other = storeClaims(store, own.clock, { owner: 'other', alone: false })('backup');
    let claim: Claim | undefined;
    await until('the other broker has the claim', async () => {
      claim = await other.take();
      return claim !== undefined;
    });
    const copy = `quaymaster-backup-${installation}-abcdef`;
    await mkdir(join(copies, copy));
    await start();
    for (let renewals = 0; renewals < 15; renewals += 1) {
      await systemClock.sleep(200);
      await other.take();
    }
    expect(await leftCopies()).toEqual([copy]);
    await other.giveUp(claim!);
    await until('the copy is gone', async () => (await leftCopies()).length === 0);
  });

  it('refuses a second backup while another broker makes one, without a warning', async () => {
    const broker = brokers[0]!;
    await ended(broker);
    const { store, clock } = broker.parts;
    const other = storeClaims(store, clock, { owner: 'other', alone: false })('backup');
    let claim: Claim | undefined;
    await until('the other broker has the claim', async () => {
      claim = await other.take();
      return claim !== undefined;
    });
    expect(await backUp(broker)).toMatchObject({
      state: 'failed',
      error: expect.stringContaining('another broker makes a backup now'),
    });
    expect(broker.warnings()).not.toContain('backup_failed');
    await other.giveUp(claim!);
    expect(await backUp(broker)).toMatchObject({ state: 'done' });
  });

  it('refuses to back up rows that were changed in the database, and keeps the last backup', async () => {
    await ended(brokers[0]!);
    await save('kept');
    const good = await backUp(brokers[0]!);
    await sql(
      `UPDATE documents SET body = replace(body, 'app/db', 'app/**') WHERE kind = 'policy'`,
    );
    const run = await backUp(brokers[0]!);
    expect(run).toMatchObject({ state: 'failed', step: 'verify' });
    expect(run.error).toContain('the copy is not a valid store: documents');
    expect(brokers[0]!.warnings()).toContain('backup_failed');
    expect((await brokers[0]!.parts.backups!.list())[0]).toEqual(good.backup);
    expect(await leftCopies()).toEqual([]);
    await sql(
      `UPDATE documents SET body = replace(body, 'app/**', 'app/db') WHERE kind = 'policy'`,
    );
    expect(await backUp(await start())).toMatchObject({ state: 'done' });
    // The broker that failed sees the backup of the other one.
    await brokers[0]!.parts.backups!.list();
    expect(brokers[0]!.warnings()).not.toContain('backup_failed');
  });

  it('fails if the server ends the session of the copy, and the next backup succeeds', async () => {
    await ended(brokers[0]!);
    let isEnded = false;
    const broker = brokers[0]!;
    broker.parts.backups!.start();
    // A table that the snapshot cannot lock keeps the copy waiting until its session ends.
    const blocker = new pg.Client({ connectionString: database.connectionString });
    await blocker.connect();
    await blocker.query('BEGIN; LOCK TABLE log_checkpoints IN ACCESS EXCLUSIVE MODE');
    await until('the session of the copy has ended', async () => {
      const { rowCount } = await blocker.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'quaymaster-copy'`,
      );
      isEnded ||= rowCount === 1;
      return isEnded || broker.parts.backups!.run()?.state !== 'running';
    });
    await blocker.query('ROLLBACK');
    await blocker.end();
    const run = await ended(broker);
    expect(run).toMatchObject({
      state: 'failed',
      step: 'copy',
      error: expect.stringContaining('the store could not be copied'),
    });
    expect(await leftCopies()).toEqual([]);
    expect(await backUp(broker)).toMatchObject({ state: 'done' });
    expect(broker.warnings()).not.toContain('backup_failed');
  });

  it('restores into an empty database, held until the release, and lists what was lost (F40)', async () => {
    await ended(brokers[0]!);
    await save('kept');
    const run = await backUp(brokers[0]!);
    await save('lost');
    const precondition = { ifMatch: '*' } as const;
    const removal = { kind: 'policy', name: 'kept', precondition } as const;
    await deleteDocument(brokers[0]!.parts, newCall(), operator, removal);
    await brokers[0]!.trail.integrator.integrate();
    await runAuditExport(own.at('newer'), { config }, { progress: quiet });
    await stop();
    const restore = (more: object = {}): Promise<string> =>
      runRestore(archiveOf(run), { config, identity, newerLog: own.at('newer'), ...more }, quiet);
    let decrypted = 0;
    const early = runRestore(archiveOf(run), { config, identity }, (done) => (decrypted += done));
    await expect(early).rejects.toMatchObject({
      code: 'ERR_CONFLICT',
      message: expect.stringContaining('create an empty database'),
    });
    // It is refused before the archive is decrypted.
    expect(decrypted).toBe(0);
    database = await nextDatabase();
    await expect(restore({ replace: true })).rejects.toMatchObject({ code: 'ERR_CONFIG_INVALID' });
    const text = await restore();
    expect(text).toContain('restored and verified');
    expect(text).toMatch(/document\.delete {2}policy\/kept {2}by bootstrap/);
    expect(text).toMatch(/document\.write {2}policy\/lost {2}by bootstrap/);
    expect(await own.unreadyAtStart()).toEqual(['ERR_HELD']);
    await runRelease({ config, comment: 'restored', applyRemovals: own.at('newer'), yes: true });
    const broker = await start();
    expect(broker.unready()).toEqual([]);
    const names = ['kept', 'lost'].map((name) => broker.parts.catalog.find('policy', name)?.name);
    expect(names).toEqual([undefined, undefined]);
    expect(await backUp(broker)).toMatchObject({ state: 'done' });
  });
});
