import type { Client } from 'pg';

/**
 * Excludes other migrating or committing brokers until the transaction ends. Two brokers that create the first tables at the same time conflict on
 * the table names: the second one fails with a duplicate error.
 */
export async function lockForMigration(client: Client): Promise<void> {
  const { rows } = await client.query<{ found: boolean }>(
    `SELECT to_regclass(quote_ident(current_schema()) || '."meta"') IS NOT NULL AS "found"`,
  );
  if (rows[0]?.found !== true) return;
  await client.query('LOCK TABLE "meta" IN SHARE ROW EXCLUSIVE MODE');
  await client.query('LOCK TABLE "fence" IN EXCLUSIVE MODE');
}
