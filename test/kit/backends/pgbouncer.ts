import { realpathSync } from 'node:fs';
import { chown, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { installedProgram } from './cache.ts';
import { createDataDirectory } from './data-directory.ts';
import { startIn, type Footprint, type Running } from './footprint.ts';
import { freePort } from './free-port.ts';
import { PGBOUNCER } from './recipes.ts';
import { startServer } from './server-process.ts';
import { unprivilegedUser } from './unprivileged-user.ts';

/** PgBouncer: a program that tests start in front of their own database. */
export interface PgBouncer extends Footprint {
  readonly program: string;
}

/** Running PgBouncer; the connection string leads through the pooler to the database. */
export interface Pooler extends Footprint {
  readonly connectionString: string;
}

export async function findPgBouncer(): Promise<Running<PgBouncer>> {
  // The cache of root is under /root, which the pooler's user cannot enter.
  const program = realpathSync(installedProgram(PGBOUNCER));
  const directory = await createDataDirectory('pgbouncer');
  return startIn(directory, (processes) =>
    Promise.resolve({ version: PGBOUNCER.version, processes, directory, program }),
  );
}

/** Starts a pooler in front of a database. `settings` are lines of the section `pgbouncer`. */
export async function startPooler(
  { program }: PgBouncer,
  database: string,
  settings: Readonly<Record<string, string>>,
): Promise<Running<Pooler>> {
  const user = await unprivilegedUser();
  const directory = await createDataDirectory('pooler', user);
  return startIn(directory, async (processes) => {
    const port = await freePort();
    const url = new URL(database);
    const name = url.pathname.slice(1);
    const files = { users: join(directory, 'users.txt'), config: join(directory, 'pgbouncer.ini') };
    const lines = {
      listen_addr: '127.0.0.1',
      listen_port: String(port),
      unix_socket_dir: '',
      auth_type: 'trust',
      auth_file: files.users,
      ...settings,
    };
    const server = `host=${url.hostname} port=${url.port} dbname=${name} password=${url.password}`;
    const text = Object.entries(lines).map(([key, value]) => `${key} = ${value}\n`);
    await writeFile(files.users, `"${url.username}" "${url.password}"\n`);
    await writeFile(
      files.config,
      `[databases]\n${name} = ${server}\n[pgbouncer]\n${text.join('')}`,
    );
    for (const file of Object.values(files)) {
      if (user !== undefined) await chown(file, user.uid, user.gid);
    }
    url.port = String(port);
    const connectionString = url.href;
    const pooler = await startServer({
      command: program,
      args: [files.config],
      cwd: directory,
      logFile: join(directory, 'pooler.log'),
      keep: false,
      ready: () => answers(connectionString),
      stopSignal: 'SIGTERM',
      ...(user === undefined ? {} : { user }),
    });
    processes.push(pooler);
    return { version: PGBOUNCER.version, processes, directory, connectionString };
  });
}

async function answers(connectionString: string): Promise<boolean> {
  const client = new pg.Client({ connectionString });
  await client.connect();
  await client.end();
  return true;
}
