import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { describeWith } from '../kit/backends/backends.ts';
import { createDatabase, type TestDatabase } from '../kit/backends/postgres.ts';
import { until } from '../kit/backends/until.ts';
import { Installation } from '../kit/broker/installation.ts';

/** The chart's replicas on PostgreSQL: one volume with the keys and the checkpoint for all of them. */
describeWith(['postgres'], 'replicas that share the volume of the keys', ({ postgres }) => {
  let database: TestDatabase;
  let operator: string;
  const replicas: Installation[] = [];

  /** A broker on the database, with the first one's keys and checkpoint. */
  async function replica(): Promise<Installation> {
    const made = await Installation.make();
    const keys = replicas[0] ?? made;
    await made.configure({
      store: {
        type: 'postgres',
        connectionStringFile: await made.write('dsn', database.connectionString),
      },
      kek: { type: 'local-file', path: keys.file('keys/kek') },
      audit: {
        origin: 'quaymaster.test/replicas',
        logKeyFile: keys.file('keys/log.pem'),
        checkpointFile: keys.file('keys/checkpoint'),
      },
    });
    replicas.push(made);
    return made;
  }

  const checkpoint = (): Promise<string> => readFile(replicas[0]!.file('keys/checkpoint'), 'utf8');

  /** Writes an entry, and waits for the checkpoint that covers it. */
  async function act(broker: Installation, name: string): Promise<void> {
    const before = await checkpoint();
    await broker.create(operator, `/operators/${name}`, { grants: [{ role: 'auditor' }] });
    await until('the checkpoint outside the store moves on', async () => {
      return (await checkpoint()) !== before;
    });
  }

  beforeAll(async () => {
    database = await createDatabase(postgres);
    const [first, second] = [await replica(), await replica()];
    operator = await first.initialise();
    await first.start();
    await second.start();
  });
  afterAll(async () => {
    for (const each of replicas.toReversed()) await each.remove();
    await database.drop();
  });

  it('serve side by side, and the replica that appends to the log moves the one checkpoint', async () => {
    await act(replicas[0]!, 'one');
    await act(replicas[1]!, 'two');
  });

  it('continue when the one that appended stops, and write the checkpoint in its place', async () => {
    expect(await replicas[0]!.stop()).toBe(0);
    await act(replicas[1]!, 'three');
  });

  it('accept a new one, which is not held', async () => {
    const third = await replica();
    await third.start();
    await act(third, 'four');
  });

  it('start together again after all of them were stopped, by any signal', async () => {
    await Promise.all(replicas.map((each) => each.stop('SIGKILL')));
    await Promise.all(replicas.map((each) => each.start()));
    const list = await replicas[0]!.call('GET', '/api/v1/operators', { token: operator });
    const { items } = list.json as { items: { name: string }[] };
    expect(items.map(({ name }) => name)).toEqual(expect.arrayContaining(['one', 'four']));
  });
});
