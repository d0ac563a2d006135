import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { applyDocument } from '../../../src/broker/documents/apply-document.ts';
import { deleteDocument } from '../../../src/broker/documents/apply-document.ts';
import { SystemActor } from '../../../src/broker/recording/record.ts';
import type { LiveOperator } from '../../../src/broker/state/operator-token-memory.ts';
import type { RunningBroker } from '../../../src/program/broker/broker.ts';
import { runAuditExport } from '../../../src/program/verbs/audit-export.ts';
import { runBackupCheck, runBackupManifest } from '../../../src/program/verbs/database-manifest.ts';
import { runRelease } from '../../../src/program/verbs/release.ts';
import { describeWith } from '../../kit/backends/backends.ts';
import { createDatabase, startOnCopy } from '../../kit/backends/postgres.ts';
import { findPostgres15 } from '../../kit/backends/postgres-programs.ts';
import type { User } from '../../kit/backends/unprivileged-user.ts';
import { until } from '../../kit/backends/until.ts';
import { policy } from '../../kit/broker/test-broker.ts';
import { newCall } from '../../kit/broker/api-call.ts';
import { shellBlocks } from '../../kit/pages/pasted-page.ts';
import { AttackedInstallation } from '../../kit/log/attacked-installation.ts';

const run = promisify(execFile);

/** `pg_dump` must not be older than its server. */
const programs = (): string => {
  const { root, bin } = findPostgres15();
  return join(root, bin);
};

describeWith(['postgres15'], 'a PostgreSQL store, its dump and its manifest', ({ postgres15 }) => {
  let own: AttackedInstallation;
  let url: string;
  let connectionStringFile: string;
  let config: string;
  let broker: RunningBroker | undefined;
  let operator: LiveOperator;
  const cleanUps: (() => Promise<unknown>)[] = [];

  beforeEach(async () => {
    const made = await createDatabase(postgres15);
    url = made.connectionString;
    const directory = await mkdtemp(join(tmpdir(), 'qm-dump-'));
    connectionStringFile = join(directory, 'connection');
    await writeFile(connectionStringFile, url, { mode: 0o600 });
    own = await AttackedInstallation.make(() => ({
      store: { type: 'postgres', connectionStringFile },
    }));
    const token = await own.init();
    config = own.at('config.json');
    await writeFile(config, JSON.stringify(own.config));
    broker = await own.open();
    operator = (await broker.parts.tokens.find(token, broker.parts.catalog))!;
    await save('kept');
    cleanUps.push(
      () => stop(),
      () => made.drop(),
      () => own.remove(),
      () => rm(directory, { recursive: true }),
    );
  });
  afterEach(async () => {
    for (const cleanUp of cleanUps.splice(0)) await cleanUp();
  });

  async function save(name: string): Promise<void> {
    const body = policy(name, ['app/db']);
    const precondition = { ifNoneMatch: '*' } as const;
    await applyDocument(broker!.parts, newCall(), operator, {
      kind: 'policy',
      name,
      body,
      precondition,
    });
  }

  async function stop(): Promise<void> {
    await broker?.close('test');
    broker = undefined;
  }

  const manifest = (): string => own.at('database.manifest');
  const makeManifest = (path = manifest()): Promise<string> => runBackupManifest(path, { config });
  const check = (newerLog?: string): Promise<string> =>
    runBackupCheck(manifest(), { config, ...(newerLog !== undefined && { newerLog }) });
  const failureOf = (work: Promise<string>): Promise<unknown> =>
    work.catch((error: unknown) => error);

  const dump = (): Promise<unknown> =>
    run(join(programs(), 'pg_dump'), [
      '--format=custom',
      `--file=${own.at('dump')}`,
      `--dbname=${url}`,
    ]);
  const restore = (): Promise<unknown> =>
    run(join(programs(), 'pg_restore'), [
      '--single-transaction',
      '--clean',
      '--if-exists',
      '--no-owner',
      `--dbname=${url}`,
      own.at('dump'),
    ]);

  /** Runs the commands of docs/upgrade-and-backup.md that begin with `program`, with other directories than its examples. */
  async function runDocumented(program: string, directories: Record<string, string>) {
    const block = shellBlocks('docs/upgrade-and-backup.md').find(
      ({ text, isOutside }) => isOutside && text.startsWith(program),
    );
    let text = block?.text ?? 'exit 1';
    for (const [shown, own] of Object.entries(directories)) text = text.replaceAll(shown, own);
    const { hostname, port, username, password } = new URL(url);
    const login = { PGHOST: hostname, PGPORT: port, PGUSER: username, PGPASSWORD: password };
    const PATH = `${programs()}:${process.env['PATH']}`;
    await run('sh', ['-euc', text], { env: { PATH, time: '20261127T061203Z', ...login } });
  }

  const baseBackup = (): Promise<void> =>
    mkdir(own.at('backup')).then(() =>
      runDocumented('pg_basebackup ', { '/backup': own.at('backup') }),
    );

  /** Restores the base backup into a new cluster, which the configuration names from then on. */
  async function restoreBase(): Promise<void> {
    const copy = async (data: string, user?: User): Promise<void> => {
      await runDocumented('install -d -m 0700 /var/lib/postgresql', {
        '/var/lib/postgresql/restored': data,
        '/backup': own.at('backup'),
      });
      if (user !== undefined) await run('chown', ['-R', `${user.uid}:${user.gid}`, data]);
    };
    const cluster = await startOnCopy(postgres15, copy, { programs: findPostgres15() });
    cleanUps.push(() => cluster.stop());
    const restored = new URL(url);
    restored.port = String(cluster.port);
    url = restored.href;
    await writeFile(connectionStringFile, url);
  }

  async function sql(text: string): Promise<void> {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    try {
      await client.query(text);
    } finally {
      await client.end();
    }
  }

  it('is made while the broker serves, checked after the restore, and lists what was lost (F40)', async () => {
    expect(await makeManifest()).toContain('Start the dump or base backup now');
    await save('during');
    // The tree in the dump has it.
    await broker!.trail.integrator.integrate();
    await dump();
    await deleteDocument(broker!.parts, newCall(), operator, {
      kind: 'policy',
      name: 'kept',
      precondition: { ifMatch: '*' },
    });
    await broker!.trail.integrator.integrate();
    await runAuditExport(own.at('newer'), { config }, { progress: () => undefined });
    await stop();
    await restore();
    const text = await check(own.at('newer'));
    expect(text).toMatch(/verified: the database has all of it and [1-9]\d* later entries/);
    expect(text).toMatch(/document\.delete {2}policy\/kept {2}by bootstrap/);
    expect(await own.unreadyAtStart()).toEqual(['ERR_HELD']);
    expect(await runRelease({ config, comment: 'restored' })).toContain('under the new origin');
    broker = await own.open();
    expect(broker.unready()).toEqual([]);
    const names = ['kept', 'during'].map(
      (name) => broker!.parts.catalog.find('policy', name)?.name,
    );
    expect(names).toEqual(['kept', 'during']);
  });

  it('restores a base backup into a new cluster, held until the release, and lists what was lost (F40)', async () => {
    await makeManifest();
    await baseBackup();
    await save('lost');
    await broker!.trail.integrator.integrate();
    await runAuditExport(own.at('newer'), { config }, { progress: () => undefined });
    await stop();
    await restoreBase();
    const text = await check(own.at('newer'));
    expect(text).toMatch(/verified: the database has all of it and \d+ later entries/);
    expect(text).toMatch(/document\.write {2}policy\/lost {2}by bootstrap/);
    expect(await own.unreadyAtStart()).toEqual(['ERR_HELD']);
    await runRelease({ config, comment: 'restored' });
    broker = await own.open();
    expect(broker.unready()).toEqual([]);
    const found = ['kept', 'lost'].map((name) => broker!.parts.catalog.find('policy', name)?.name);
    expect(found).toEqual(['kept', undefined]);
  }, 240_000);

  it('refuses a base backup in which one row was changed, and holds the broker (F40)', async () => {
    await makeManifest();
    await baseBackup();
    await stop();
    await restoreBase();
    await sql(
      `UPDATE documents SET body = replace(body, 'app/db', 'app/**') WHERE kind = 'policy'`,
    );
    expect(await failureOf(check())).toMatchObject({ code: 'ERR_CIPHERTEXT_INVALID' });
    expect(await own.unreadyAtStart()).toEqual(['ERR_HELD']);
  }, 240_000);

  it('refuses a check and a release while another broker is connected', async () => {
    await makeManifest();
    const expected = expect.objectContaining({
      code: 'ERR_CONFLICT',
      message: expect.stringContaining('stop every replica'),
    });
    expect(await failureOf(check())).toEqual(expected);
    expect(await failureOf(runRelease({ config, comment: 'x' }))).toEqual(expected);
  });

  it('refuses a database that is older than its manifest, or of another installation', async () => {
    await dump();
    await save('later');
    await broker!.trail.integrator.integrate();
    await makeManifest();
    await stop();
    await restore();
    expect(await failureOf(check())).toMatchObject({
      code: 'ERR_CIPHERTEXT_INVALID',
      message: expect.stringMatching(/the database has \d+ entries, the manifest has \d+/),
    });
  });

  it.each([
    ['a changed row', `UPDATE documents SET body = '{}' WHERE kind = 'policy'`],
    ['a missing row', `DELETE FROM documents WHERE kind = 'policy'`],
    ['a changed log', `DELETE FROM log_tiles WHERE level = 0`],
    ['a trigger', `CREATE RULE r AS ON DELETE TO meta DO INSTEAD NOTHING`],
  ])(
    'refuses a restored database with %s',
    async (_what, change) => {
      await makeManifest();
      await dump();
      await stop();
      await restore();
      await sql(change);
      expect(await failureOf(check())).toMatchObject({ code: 'ERR_CIPHERTEXT_INVALID' });
    },
    60_000,
  );

  it('refuses a changed manifest, and one that exists already', async () => {
    await makeManifest();
    expect(await failureOf(makeManifest())).toMatchObject({ code: 'ERR_CONFIG_INVALID' });
    await stop();
    const note = await readFile(manifest(), 'utf8');
    for (const changed of [note.replace('"count":', '"count":1'), note.slice(0, -9), '']) {
      await writeFile(manifest(), changed);
      expect(await failureOf(check())).toMatchObject({
        code: 'ERR_CIPHERTEXT_INVALID',
        message: expect.stringContaining(manifest()),
      });
    }
  });

  it('stops a replica that still runs when the database is restored under it', async () => {
    await dump();
    await save('lost');
    await broker!.trail.integrator.integrate();
    await restore();
    const { store, digest } = broker!.parts;
    const actor = new SystemActor({ clock: own.clock, digest }, 'expiry');
    // No row with a digest changes, so only the log can notice it.
    const entry = actor.entry({ action: 'lease.expire', outcome: 'ok' });
    await store.commit({ entries: [entry] });
    await until('the replica serves nothing', () => Promise.resolve(broker!.unready().length > 0));
    expect(broker!.held()).toContainEqual({ reason: 'store_behind' });
    await expect(save('after')).rejects.toMatchObject({ code: 'ERR_HELD' });
    await stop();
    expect(await own.unreadyAtStart()).toEqual(['ERR_HELD']);
  });
});
