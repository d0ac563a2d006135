import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { appendFile, chown, cp, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import type { Host } from '../network/network-namespaces.ts';
import { createDataDirectory } from './data-directory.ts';
import { startIn, type Footprint, type Running } from './footprint.ts';
import { freePort } from './free-port.ts';
import { findPostgres, type PostgresPrograms } from './postgres-programs.ts';
import { writeServerCertificate } from './server-certificate.ts';
import type { ProcessId } from './process-id.ts';
import { startServer } from './server-process.ts';
import { uniqueName } from './unique-name.ts';
import { unprivilegedUser, type User } from './unprivileged-user.ts';

/** Running PostgreSQL on loopback, with and without TLS: scram-sha-256; the connection string is the superuser's. */
export interface Postgres extends Footprint {
  readonly host: string;
  readonly port: number;
  readonly adminConnectionString: string;
  /** PEM file of the authority that signed the server's certificate. */
  readonly caFile: string;
  /** Absent: the server started from the origin of another one. */
  readonly origin?: Origin;
}

/** Programs that the server's user may run, and an empty cluster with the password of its superuser. */
interface Origin {
  readonly bin: string;
  readonly cluster: string;
  readonly password: string;
}

/** A database of one suite; `drop` disconnects all its sessions. */
export interface TestDatabase {
  readonly connectionString: string;
  readonly drop: () => Promise<void>;
}

async function programsFor(directory: string, found = findPostgres()): Promise<string> {
  if (found === null) {
    throw new Error('PostgreSQL is not installed: npm run backends install postgres');
  }
  if (found.readable) return join(found.root, found.bin);
  const programs = join(directory, 'programs');
  for (const part of found.parts) {
    const options = { recursive: true, verbatimSymlinks: true };
    await cp(join(found.root, part), join(programs, part), options);
  }
  return join(programs, found.bin);
}

/**
 * The origin of the backend `postgres` of this run, which outlives all suites. A server that starts from it takes a third of the processor time: it
 * needs no initdb and no copy of the programs.
 */
function originOfRun(): Origin | undefined {
  const backends = process.env['QM_BACKENDS'] ?? '{}';
  return (JSON.parse(backends) as { readonly postgres?: Postgres }).postgres?.origin;
}

async function createOrigin(
  directory: string,
  user: User | undefined,
  found: PostgresPrograms | undefined,
): Promise<Origin> {
  const bin = await programsFor(directory, found);
  const password = randomBytes(18).toString('hex');
  const cluster = join(directory, 'empty');
  const passwordFile = join(directory, 'password');
  await writeFile(passwordFile, password, { mode: 0o600 });
  if (user !== undefined) await chown(passwordFile, user.uid, user.gid);
  const flags = ['--auth=scram-sha-256', '--encoding=UTF8', '--locale=C', '--no-sync'];
  const account = ['--username=postgres', `--pwfile=${passwordFile}`];
  const initdb = join(bin, 'initdb');
  await promisify(execFile)(initdb, ['-D', cluster, ...flags, ...account], {
    cwd: directory,
    ...user,
  });
  return { bin, cluster, password };
}

async function query(connectionString: string, sql: string): Promise<string> {
  const client = new pg.Client({ connectionString, connectionTimeoutMillis: 5_000 });
  await client.connect();
  try {
    const result = await client.query<Record<string, string>>(sql);
    return Object.values(result.rows[0] ?? {})[0] ?? '';
  } finally {
    await client.end();
  }
}

/** Differences from the default PostgreSQL. */
export interface PostgresOptions {
  readonly keep?: boolean;
  /** True: fsync is on. Without it, commits do not survive a crash of the machine. */
  readonly durable?: boolean;
  readonly settings?: Readonly<Record<string, string>>;
  /** Programs to use instead of those that `findPostgres` finds. */
  readonly programs?: PostgresPrograms;
  /** Host of a network, on whose address the server listens too. */
  readonly host?: Host;
}

function flagsOf(settings: Readonly<Record<string, string>>): string[] {
  return Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
}

/** Starts an empty PostgreSQL; `keep` leaves it running after this process. */
export async function startPostgres(options: PostgresOptions = {}): Promise<Running<Postgres>> {
  const user = await unprivilegedUser();
  const directory = await createDataDirectory('postgres', user);
  return startIn(directory, async (processes) => {
    const shared = options.programs === undefined ? originOfRun() : undefined;
    const origin = shared ?? (await createOrigin(directory, user, options.programs));
    const { bin, password } = origin;
    const data = join(directory, 'data');
    await promisify(execFile)('cp', ['-a', origin.cluster, data]);
    const { server, ...postgres } = await serve({ bin, data, directory, password, user }, options);
    processes.push(server);
    return { ...postgres, processes, ...(shared === undefined && { origin }) };
  });
}

/** Starts a standby of a running server by streaming replication. It has the databases, roles and password of the primary. */
export async function startStandby(
  primary: Postgres,
  options: PostgresOptions = {},
): Promise<Running<Postgres>> {
  const { password } = new URL(primary.adminConnectionString);
  const source = `host=${primary.host} port=${primary.port} user=postgres password=${password}`;
  const settings = { primary_conninfo: source, ...options.settings };
  const copy = (data: string, user: User | undefined): Promise<void> =>
    copyRunning(primary, data, user);
  return startOnCopy(primary, copy, { ...options, settings });
}

/**
 * Starts a server on a copy of the files of `source`, which `copy` makes for the user. It has the databases, roles and password
 * of the source.
 */
export async function startOnCopy(
  source: Postgres,
  copy: (data: string, user: User | undefined) => Promise<void>,
  options: PostgresOptions = {},
): Promise<Running<Postgres>> {
  const user = await unprivilegedUser();
  const directory = await createDataDirectory('postgres', user);
  return startIn(directory, async (processes) => {
    const shared = options.programs === undefined ? originOfRun() : undefined;
    const bin = shared?.bin ?? (await programsFor(directory, options.programs));
    const { password } = new URL(source.adminConnectionString);
    const data = join(directory, 'data');
    await copy(data, user);
    const { server, ...postgres } = await serve({ bin, data, directory, password, user }, options);
    processes.push(server);
    return { ...postgres, processes };
  });
}

/** Copies the files of a running server for a standby. The npm package of PostgreSQL has no pg_basebackup. */
async function copyRunning(primary: Postgres, data: string, user: User | undefined): Promise<void> {
  const client = new pg.Client({ connectionString: primary.adminConnectionString });
  await client.connect();
  try {
    await client.query(`SELECT pg_backup_start('standby', true)`);
    await promisify(execFile)('cp', ['-a', join(primary.directory, 'data'), data]);
    const { rows } = await client.query<{ label: string }>(
      'SELECT labelfile AS "label" FROM pg_backup_stop(false)',
    );
    for (const [name, text] of [
      ['backup_label', rows[0]?.label ?? ''],
      ['standby.signal', ''],
    ] as const) {
      await writeFile(join(data, name), text);
      if (user !== undefined) await chown(join(data, name), user.uid, user.gid);
    }
    const wal = join(data, 'pg_wal');
    const segments = (await readdir(wal)).filter((name) => /^[0-9A-F]{24}$/.test(name));
    for (const name of ['postmaster.pid', ...segments.map((segment) => join('pg_wal', segment))])
      await rm(join(data, name), { force: true });
  } finally {
    await client.end();
  }
}

interface Cluster {
  readonly bin: string;
  readonly data: string;
  readonly directory: string;
  readonly password: string;
  readonly user: User | undefined;
}

async function serve(
  { bin, data, directory, password, user }: Cluster,
  options: PostgresOptions,
): Promise<Omit<Postgres, 'processes'> & { readonly server: ProcessId }> {
  const port = await freePort();
  const { host } = options;
  if (host !== undefined) {
    await host.reach(port);
    await appendFile(join(data, 'pg_hba.conf'), 'host all all samenet scram-sha-256\n');
  }
  const { caFile, certFile, keyFile } = await writeServerCertificate(directory, user);
  const settings = {
    listen_addresses: ['127.0.0.1', ...(host === undefined ? [] : [host.address])].join(),
    port: String(port),
    unix_socket_directories: '',
    max_connections: '200',
    // Off by default. The tests include a hostile user of a server that has them on.
    max_prepared_transactions: '8',
    fsync: options.durable === true ? 'on' : 'off',
    ssl: 'on',
    ssl_cert_file: certFile,
    ssl_key_file: keyFile,
    ...options.settings,
  };
  const adminConnectionString = `postgres://postgres:${password}@127.0.0.1:${port}/postgres`;
  const server = await startServer({
    command: join(bin, 'postgres'),
    args: ['-D', data, ...flagsOf(settings)],
    cwd: directory,
    logFile: join(directory, 'server.log'),
    keep: options.keep ?? false,
    ready: async () => (await query(adminConnectionString, 'SELECT 1')) !== '',
    // Fast shutdown: SIGTERM would wait for every client to disconnect.
    stopSignal: 'SIGINT',
    ...(user === undefined ? {} : { user }),
    ...(host === undefined ? {} : { host }),
  });
  const version = await query(adminConnectionString, 'SHOW server_version');
  return { version, directory, host: '127.0.0.1', port, adminConnectionString, caFile, server };
}

interface DatabaseOptions {
  readonly forAllRoles?: boolean;
  /** Database to copy, which has no sessions. */
  readonly copyOf?: TestDatabase;
}

/** Creates a unique database. Other roles cannot connect, as docs/install.md demands for the store, unless `forAllRoles`. */
export async function createDatabase(
  postgres: Postgres,
  { forAllRoles = false, copyOf }: DatabaseOptions = {},
): Promise<TestDatabase> {
  const name = uniqueName('db').replace('-', '_');
  const template =
    copyOf === undefined ? 'template1' : new URL(copyOf.connectionString).pathname.slice(1);
  await query(postgres.adminConnectionString, `CREATE DATABASE ${name} TEMPLATE ${template}`);
  if (!forAllRoles)
    await query(postgres.adminConnectionString, `REVOKE CONNECT ON DATABASE ${name} FROM PUBLIC`);
  return {
    connectionString: postgres.adminConnectionString.replace(/\/postgres$/, `/${name}`),
    drop: async () => {
      await query(postgres.adminConnectionString, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
    },
  };
}
