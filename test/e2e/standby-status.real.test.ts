import { afterAll, beforeAll, it } from '@jest/globals';
import { describeWith } from '../kit/backends/backends.ts';
import { createDatabase, type TestDatabase } from '../kit/backends/postgres.ts';
import { until } from '../kit/backends/until.ts';
import { PreparedBroker } from '../kit/broker/prepared-broker.ts';

describeWith(['postgres'], 'two brokers, one of which integrates the log', ({ postgres }) => {
  let database: TestDatabase;
  let first: PreparedBroker;
  let second: PreparedBroker;

  beforeAll(async () => {
    database = await createDatabase(postgres);
    first = await PreparedBroker.start({
      files: { dsn: database.connectionString },
      config: (directory) => ({
        store: { type: 'postgres', connectionStringFile: `${directory}/dsn` },
      }),
    });
    second = await first.replica();
    await second.installation.start();
  });
  afterAll(async () => {
    await second.remove();
    await first.remove();
    await database.drop();
  });

  it('both count the entries that one of them adds', async () => {
    const sizes = (): Promise<readonly number[]> =>
      Promise.all(
        [first, second].flatMap((broker) => [
          statusEntries(broker),
          broker.metric('quaymaster_audit_entries'),
        ]),
      );
    const before = Math.max(...(await sizes()));
    for (let n = 0; n < 5; n += 1) await first.write(`own/s${n}`, { v: 'value' });
    await until('both count them', async () => {
      return (await sizes()).every((size) => size >= before + 5);
    });
  });

  async function statusEntries({ installation, operator: token }: PreparedBroker): Promise<number> {
    const { json } = await installation.call('GET', '/api/v1/status', { token });
    return (json['log'] as { readonly entries: number }).entries;
  }
});
