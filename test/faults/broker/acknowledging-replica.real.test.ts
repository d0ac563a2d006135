import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { describeWith } from '../../kit/backends/backends.ts';
import { createDatabase, type TestDatabase } from '../../kit/backends/postgres.ts';
import { until } from '../../kit/backends/until.ts';
import { LOAD_LIMITS } from '../../kit/broker/broker-load.ts';
import { PreparedBroker } from '../../kit/broker/prepared-broker.ts';
import { HttpReceiver } from '../../kit/log/sink-receivers.ts';

describeWith(['postgres'], 'two brokers with a sink that must acknowledge', ({ postgres }) => {
  let database: TestDatabase;
  let receiver: HttpReceiver;
  let broker: PreparedBroker;
  let replica: PreparedBroker;

  beforeAll(async () => {
    database = await createDatabase(postgres);
    receiver = await HttpReceiver.start();
    broker = await PreparedBroker.start({
      files: { dsn: database.connectionString },
      config: (directory) => ({
        limits: LOAD_LIMITS,
        store: { type: 'postgres', connectionStringFile: `${directory}/dsn` },
      }),
      secrets: { 'own/p0': { key: 'value' } },
    });
    replica = await broker.replica();
    for (const { installation } of [broker, replica]) {
      const text = await readFile(installation.file('config.yaml'), 'utf8');
      const sink = `sinks:\n    - { type: http, url: ${receiver.url}, mustAcknowledge: true }\n  acknowledgeWithinSeconds: 20`;
      const own = /sinks:\n {4}- type: file\n {6}path: \S+/;
      expect(text).toMatch(own);
      await installation.write('config.yaml', text.replace(own, sink));
    }
    broker.installation.signal('SIGHUP');
    await until('the setting is in use', async () => {
      const { json } = await broker.installation.call('GET', '/api/v1/configuration', {
        token: broker.operator,
      });
      return json['generation'] === 2;
    });
    await replica.installation.start();
  }, 240_000);
  afterAll(async () => {
    await replica.remove();
    await broker.remove();
    await receiver.close();
    await database.drop();
  });

  it('answers on both, also when the one that delivers is killed, and each answer is at the sink', async () => {
    const session = await broker.logIn();
    const answered: string[] = [];
    const read = async (from: PreparedBroker): Promise<void> => {
      const { status, headers } = await from.read(session, 'own/p0');
      expect(status).toBe(200);
      answered.push(String(headers.get('x-request-id')));
    };
    for (let n = 0; n < 5; n += 1) await Promise.all([read(broker), read(replica), read(replica)]);
    const received = (): string => [...receiver.entries().values()].join('\n');
    expect(answered.filter((id) => !received().includes(`"${id}"`))).toEqual([]);
    broker.installation.signal('SIGKILL');
    await until('the other one delivers', async () => {
      const { status } = await replica.read(session, 'own/p0');
      return status === 200;
    });
    await read(replica);
    expect(answered.filter((id) => !received().includes(`"${id}"`))).toEqual([]);
  }, 240_000);
});
