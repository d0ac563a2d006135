import { chownSync } from 'node:fs';
import pg from 'pg';
import type { Postgres } from '../backends/postgres.ts';
import { unprivilegedUser } from '../backends/unprivileged-user.ts';
import type { SmallDisk } from '../files/small-disk.ts';

/**
 * A database in a tablespace on a small disk. The server's write-ahead log is elsewhere: without space for it the server would exit, which
 * is a different fault.
 * @returns its connection string.
 */
export async function smallDatabase(disk: SmallDisk, postgres: Postgres): Promise<string> {
  const user = await unprivilegedUser();
  if (user !== undefined) chownSync(disk.path, user.uid, user.gid);
  const client = new pg.Client({ connectionString: postgres.adminConnectionString });
  await client.connect();
  await client.query(`CREATE TABLESPACE small LOCATION '${disk.path}'`);
  await client.query('CREATE DATABASE small TABLESPACE small');
  await client.query('REVOKE CONNECT ON DATABASE small FROM PUBLIC');
  await client.end();
  return postgres.adminConnectionString.replace(/\/postgres$/, '/small');
}
