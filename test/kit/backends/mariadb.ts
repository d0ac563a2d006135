import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chown, mkdir, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import mysql from 'mysql2/promise';
import { installedProgram } from './cache.ts';
import { createDataDirectory } from './data-directory.ts';
import { startIn, type Footprint, type Running } from './footprint.ts';
import { freePort } from './free-port.ts';
import { MARIADB } from './recipes.ts';
import { writeServerCertificate } from './server-certificate.ts';
import { startServer } from './server-process.ts';
import { unprivilegedUser, type User } from './unprivileged-user.ts';

/** A running MariaDB on loopback, with and without TLS; the account has all rights and may grant them. */
export interface MariaDb extends Footprint {
  readonly host: string;
  readonly port: number;
  readonly username: string;
  readonly password: string;
  /** PEM file of the authority that signed the server's certificate. */
  readonly caFile: string;
  /** Log of every statement that the server received. */
  readonly generalLogFile: string;
}

const SHARE = '/usr/share/mysql';
const SYSTEM_TABLES = [
  'mysql_system_tables.sql',
  'mysql_performance_tables.sql',
  'mysql_system_tables_data.sql',
];

async function createOwned(directory: string, user?: User): Promise<string> {
  await mkdir(directory, { mode: 0o700 });
  if (user !== undefined) await chown(directory, user.uid, user.gid);
  return directory;
}

// The package's own installer is a script that needs a second package; these are the statements it runs.
async function initialise(program: string, flags: readonly string[], user?: User): Promise<void> {
  const tables = SYSTEM_TABLES.map((file) => readFile(join(SHARE, file), 'utf8'));
  const first = 'CREATE DATABASE mysql;\nUSE mysql;\nSET @auth_root_socket=NULL;\n';
  const { promise, resolve, reject } = Promise.withResolvers<undefined>();
  const quick = ['--bootstrap', '--innodb-log-file-size=8M', '--log-warnings=0'];
  const child = execFile(program, [...flags, ...quick], { cwd: '/', ...user }, (error) => {
    if (error === null) resolve(undefined);
    else reject(error);
  });
  child.stdin?.end(first + (await Promise.all(tables)).join('\n'));
  await promise;
}

function accountStatements(username: string, password: string): string {
  return [
    `CREATE USER '${username}'@'127.0.0.1' IDENTIFIED BY '${password}';`,
    `GRANT ALL PRIVILEGES ON *.* TO '${username}'@'127.0.0.1' WITH GRANT OPTION;`,
    // Accounts without a password, as in a fresh server.
    "DELETE FROM mysql.global_priv WHERE User IN ('root', '');",
    'FLUSH PRIVILEGES;\n',
  ].join('\n');
}

async function serverVersion(server: Omit<mysql.ConnectionOptions, 'uri'>): Promise<string> {
  const connection = await mysql.createConnection(server);
  try {
    const [rows] = await connection.query<mysql.RowDataPacket[]>('SELECT VERSION() AS version');
    return String(rows[0]?.['version']);
  } finally {
    connection.destroy();
  }
}

/** Starts an empty MariaDB; `keep` leaves it running after this process. */
export async function startMariaDb({ keep = false } = {}): Promise<Running<MariaDb>> {
  // The server's user cannot enter root's cache, which contains the link.
  const program = await realpath(installedProgram(MARIADB));
  const user = await unprivilegedUser();
  const directory = await createDataDirectory('mariadb', user);
  return startIn(directory, async (processes) => {
    const data = await createOwned(join(directory, 'data'), user);
    const flags = ['--no-defaults', `--datadir=${data}`, '--basedir=/usr'];
    await initialise(program, flags, user);
    const tls = await writeServerCertificate(directory, user);
    const port = await freePort();
    const admin = { username: 'quaymaster', password: randomBytes(18).toString('hex') };
    const initFile = join(directory, 'init.sql');
    await writeFile(initFile, accountStatements(admin.username, admin.password), { mode: 0o600 });
    if (user !== undefined) await chown(initFile, user.uid, user.gid);
    const generalLogFile = join(directory, 'general.log');
    const settings = {
      'bind-address': '127.0.0.1',
      port: String(port),
      socket: join(directory, 'server.sock'),
      'skip-name-resolve': 'ON',
      'init-file': initFile,
      'innodb-flush-log-at-trx-commit': '0',
      'general-log': 'ON',
      'general-log-file': generalLogFile,
      'ssl-ca': tls.caFile,
      'ssl-cert': tls.certFile,
      'ssl-key': tls.keyFile,
    };
    const server = { host: '127.0.0.1', port, user: admin.username, password: admin.password };
    const process_ = await startServer({
      command: program,
      args: [...flags, ...Object.entries(settings).map(([name, value]) => `--${name}=${value}`)],
      cwd: directory,
      logFile: join(directory, 'server.log'),
      keep,
      ready: async () => (await serverVersion(server)) !== '',
      ...(user === undefined ? {} : { user }),
    });
    processes.push(process_);
    await rm(initFile);
    const version = await serverVersion(server);
    const { caFile } = tls;
    return {
      version,
      processes,
      directory,
      host: '127.0.0.1',
      port,
      ...admin,
      caFile,
      generalLogFile,
    };
  });
}
