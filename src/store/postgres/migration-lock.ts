import type { Client } from 'pg';
import { BrokerError } from '../../domain/errors.ts';
import { errorField } from '../sql/error-field.ts';

/** Advisory locks of releases without the table `fence`: one for migrations, one for commits ("quam" and "quay" in ASCII). */
const FORMER_LOCKS = [0x7175616d, 0x71756179];
/** Any role that may connect can hold an advisory lock, so the wait for one has a timeout. */
const PATIENCE = '30s';
const LOCK_NOT_AVAILABLE = '55P03';

/**
 * Excludes other migrating or committing brokers until the transaction ends. Two brokers that create the first tables at the same time conflict on
 * the table names: the second one fails with a duplicate error.
 * @throws ERR_STORE_UNAVAILABLE if a session holds an advisory lock that brokers of earlier releases use.
 */
export async function lockForMigration(client: Client): Promise<void> {
  if (!(await isTable(client, 'meta'))) return;
  await client.query('LOCK TABLE "meta" IN SHARE ROW EXCLUSIVE MODE');
  if (await isTable(client, 'fence')) {
    await client.query('LOCK TABLE "fence" IN EXCLUSIVE MODE');
    return;
  }
  await client.query(`SET LOCAL lock_timeout = '${PATIENCE}'`);
  for (const lock of FORMER_LOCKS) await lockFormer(client, lock);
  await client.query('SET LOCAL lock_timeout = DEFAULT');
}

async function isTable(client: Client, name: string): Promise<boolean> {
  const { rows } = await client.query<{ found: boolean }>(
    'SELECT to_regclass(quote_ident(current_schema()) || $1) IS NOT NULL AS "found"',
    [`."${name}"`],
  );
  return rows[0]?.found === true;
}

async function lockFormer(client: Client, lock: number): Promise<void> {
  try {
    await client.query(`SELECT pg_advisory_xact_lock(${lock})`);
  } catch (cause) {
    if (errorField(cause, 'code') !== LOCK_NOT_AVAILABLE) throw cause;
    throw new BrokerError(
      'ERR_STORE_UNAVAILABLE',
      `a session of this database has held the advisory lock ${lock} for ${PATIENCE}, so the store cannot be migrated: stop brokers of the earlier release, find other sessions in pg_locks (locktype "advisory") and end them`,
      { cause },
    );
  }
}
