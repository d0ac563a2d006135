import { afterAll, afterEach, beforeAll, expect, it } from '@jest/globals';
import pg from 'pg';
import { systemClock } from '../../../../src/process/clock.ts';
import { openPostgresStore } from '../../../../src/store/postgres/open-postgres-store.ts';
import { describeWith } from '../../../kit/backends/backends.ts';
import type { TestDatabase } from '../../../kit/backends/postgres.ts';
import { createDatabase } from '../../../kit/backends/postgres.ts';
import { FakeAuditChain } from '../../../kit/fakes/fake-audit-chain.ts';

const UNDO = `CREATE FUNCTION "undo"() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'`;

describeWith(['postgres'], 'the schema of a PostgreSQL store', ({ postgres }) => {
  let database: TestDatabase;
  let client: pg.Client;
  const differences = async (): Promise<readonly string[]> => {
    const store = await openPostgresStore(
      { connectionString: database.connectionString, poolSize: 1 },
      { chain: new FakeAuditChain(), clock: systemClock, mode: 'development' },
    );
    await store.close();
    return store.condition.differences;
  };

  beforeAll(async () => {
    database = await createDatabase(postgres);
    client = new pg.Client({ connectionString: database.connectionString });
    await client.connect();
    expect(await differences()).toEqual([]);
  });

  afterEach(async () => {
    expect(await differences()).toEqual([]);
  });

  afterAll(async () => {
    await client.end();
    await database.drop();
  });

  it('has no differences for grants, storage parameters, statistics and foreign objects', async () => {
    await client.query(`GRANT SELECT ON ALL TABLES IN SCHEMA public TO pg_monitor; ANALYZE; ALTER TABLE "leases" SET (fillfactor = 70);
      ALTER INDEX "leases_path" SET (fillfactor = 80); ALTER INDEX "leases_cause" SET (fillfactor = 80); CREATE TABLE "others" ("id" bigint); CREATE VIEW "leases_view" AS SELECT "id" FROM "leases"`);
    expect(await differences()).toEqual([]);
    await client.query('DROP VIEW "leases_view"; DROP TABLE "others"');
  });

  it.each([
    [
      'a trigger that undoes revocations',
      `${UNDO}; CREATE TRIGGER "undo" BEFORE DELETE ON "operator_tokens" FOR EACH ROW EXECUTE FUNCTION "undo"()`,
      `DROP FUNCTION "undo" CASCADE`,
      'trigger "undo" on table "operator_tokens" is not of the migrations',
    ],
    [
      'another condition of an index',
      `DROP INDEX "leases_cause"; CREATE INDEX "leases_cause" ON "leases" ("path", "cause", "id") WHERE ("cause" = 'expired')`,
      `DROP INDEX "leases_cause"; CREATE INDEX "leases_cause" ON "leases" ("path", "cause", "id") WHERE ("cause" IS NOT NULL)`,
      'index "leases_cause" on table "leases" is not as the migrations make it',
    ],
    [
      'a trigger on the table of the migration runner',
      `${UNDO}; CREATE TRIGGER "undo" BEFORE INSERT ON "quaymaster_schema" FOR EACH ROW EXECUTE FUNCTION "undo"()`,
      `DROP FUNCTION "undo" CASCADE`,
      'trigger "undo" on table "quaymaster_schema" is not of the migrations',
    ],
    [
      'an event trigger',
      `CREATE FUNCTION "undo"() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'; CREATE EVENT TRIGGER "undo" ON ddl_command_end EXECUTE FUNCTION "undo"()`,
      `DROP FUNCTION "undo" CASCADE`,
      'event trigger "undo" is not of the migrations',
    ],
    [
      'a rule',
      `CREATE RULE "undo" AS ON DELETE TO "sessions" DO INSTEAD NOTHING`,
      `DROP RULE "undo" ON "sessions"`,
      'rule "undo" on table "sessions" is not of the migrations',
    ],
    [
      'a view in place of a table',
      `ALTER TABLE "sink_cursors" RENAME TO "cursors"; CREATE VIEW "sink_cursors" AS SELECT * FROM "cursors"`,
      `DROP VIEW "sink_cursors"; ALTER TABLE "cursors" RENAME TO "sink_cursors"`,
      '"sink_cursors" is not a plain, logged table without row security',
    ],
    [
      'row security',
      `ALTER TABLE "sessions" ENABLE ROW LEVEL SECURITY`,
      `ALTER TABLE "sessions" DISABLE ROW LEVEL SECURITY`,
      '"sessions" is not a plain, logged table without row security',
    ],
    [
      'a policy',
      `CREATE POLICY "some" ON "sessions" USING (false)`,
      `DROP POLICY "some" ON "sessions"`,
      'policy "some" on table "sessions" is not of the migrations',
    ],
    [
      'a table that a crash empties',
      `ALTER TABLE "changes" SET UNLOGGED`,
      `ALTER TABLE "changes" SET LOGGED`,
      '"changes" is not a plain, logged table without row security',
    ],
    [
      'a child table',
      `CREATE TABLE "more" () INHERITS ("sessions")`,
      `DROP TABLE "more"`,
      'inheritance "more" on table "sessions" is not of the migrations',
    ],
    [
      'a check',
      `ALTER TABLE "changes" ADD CONSTRAINT "few" CHECK ("seq" < 1000000)`,
      `ALTER TABLE "changes" DROP CONSTRAINT "few"`,
      'constraint "few" on table "changes" is not of the migrations',
    ],
    [
      'a column more',
      `ALTER TABLE "leases" ADD COLUMN "extra" text`,
      `ALTER TABLE "leases" DROP COLUMN "extra"`,
      'column "extra" of table "leases" is not of the migrations',
    ],
    [
      'a default',
      `ALTER TABLE "leases" ALTER COLUMN "state" SET DEFAULT 'live'`,
      `ALTER TABLE "leases" ALTER COLUMN "state" DROP DEFAULT`,
      'column "state" of table "leases" is not as the migrations make it',
    ],
    [
      'a column that may be empty',
      `ALTER TABLE "sessions" ALTER COLUMN "mac" DROP NOT NULL`,
      `ALTER TABLE "sessions" ALTER COLUMN "mac" SET NOT NULL`,
      'column "mac" of table "sessions" is not as the migrations make it',
    ],
    [
      'an order of text',
      `ALTER TABLE "sink_cursors" ALTER COLUMN "sink" TYPE text COLLATE "ucs_basic"`,
      `ALTER TABLE "sink_cursors" ALTER COLUMN "sink" TYPE text COLLATE "C"`,
      'column "sink" of table "sink_cursors" is not as the migrations make it',
    ],
    [
      'a unique index less',
      `DROP INDEX "operator_tokens_hash"`,
      `CREATE UNIQUE INDEX "operator_tokens_hash" ON "operator_tokens" ("hash")`,
      'index "operator_tokens_hash" is missing',
    ],
    [
      'a unique index over fewer rows',
      `DROP INDEX "sessions_hash"; CREATE UNIQUE INDEX "sessions_hash" ON "sessions" ("hash") WHERE "created_at" > 5`,
      `DROP INDEX "sessions_hash"; CREATE UNIQUE INDEX "sessions_hash" ON "sessions" ("hash")`,
      'index "sessions_hash" on table "sessions" is not as the migrations make it',
    ],
    [
      'an index more',
      `CREATE UNIQUE INDEX "one" ON "leases" ("path")`,
      `DROP INDEX "one"`,
      'index "one" on table "leases" is not of the migrations',
    ],
  ])('differs in %s (C11)', async (_, change, undo, difference) => {
    await client.query(change);
    const found = await differences();
    await client.query(undo);
    expect(found).toContain(difference);
  });
});
