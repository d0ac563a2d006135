import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { writeFile } from 'node:fs/promises';
import pg from 'pg';
import type { Serving } from '../../../src/program/serving/serve.ts';
import { describeWith } from '../../kit/backends/backends.ts';
import { createDatabase, type TestDatabase } from '../../kit/backends/postgres.ts';
import { until } from '../../kit/backends/until.ts';
import { AttackedInstallation } from '../../kit/log/attacked-installation.ts';
import { ask, expectFound, forge, leaveEntries } from '../../kit/log/forged-entries.ts';

interface Batch {
  readonly writer: string;
  readonly first_seq: string;
  readonly entries: Buffer;
}

describeWith(['postgres'], 'an attacker who writes to the PostgreSQL store', ({ postgres }) => {
  let database: TestDatabase;
  let own: AttackedInstallation;
  let token: string;
  let serving: Serving;
  let client: pg.Client;

  beforeEach(async () => {
    database = await createDatabase(postgres);
    own = await AttackedInstallation.make((directory) => ({
      store: { type: 'postgres', connectionStringFile: `${directory}/dsn` },
    }));
    await writeFile(own.at('dsn'), database.connectionString, { mode: 0o600 });
    token = await own.init();
    serving = await own.serve();
    await leaveEntries(serving, token);
    client = new pg.Client({ connectionString: database.connectionString });
    await client.connect();
  });
  afterEach(async () => {
    await serving.stop('test');
    await client.end();
    await own.remove();
    await database.drop();
  });

  async function forgeAll(): Promise<void> {
    const { rows } = await client.query<Batch>('SELECT * FROM "audit_batches"');
    for (const { writer, first_seq, entries } of rows) {
      await client.query(
        'UPDATE "audit_batches" SET "entries" = $1 WHERE "writer" = $2 AND "first_seq" = $3',
        [forge(entries), writer, first_seq],
      );
    }
  }

  it('forges entries of a running broker, which names them and shows none (AL01)', async () => {
    await forgeAll();
    await expectFound(serving, token, 6);
    const ready = await ask(serving, token, '/readyz');
    expect([ready.status, ready.text]).toEqual([200, expect.stringContaining('"ready":true')]);
  });

  it('forges entries of a stopped broker, which names them and shows none (AL01)', async () => {
    await serving.stop('test');
    await forgeAll();
    serving = await own.serve();
    await expectFound(serving, token, 6);
  });

  it('removes the end of the tree of a running broker, which then serves nothing (AL01)', async () => {
    await client.query('DELETE FROM "log_tiles" WHERE "level" = 0');
    // The broker takes the claim under another epoch, so that it opens the log again from the store.
    await client.query('DELETE FROM "claims"');
    await until('the broker notices', async () => {
      const ready = await ask(serving, token, '/readyz');
      return ready.status === 503 && ready.text.includes('ERR_HELD');
    });
    const answer = await ask(serving, token, '/api/v1/operators');
    expect([answer.status, answer.text]).toEqual([503, expect.stringContaining('ERR_HELD')]);
    expect(own.logged).toContainEqual(
      expect.objectContaining({ fields: expect.objectContaining({ reason: 'log_damaged' }) }),
    );
  });
});
