import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { describeWith } from '../../kit/backends/backends.ts';
import { createDatabase, type TestDatabase } from '../../kit/backends/postgres.ts';
import { until } from '../../kit/backends/until.ts';
import { FakeApiServer } from '../../kit/fakes/fake-api-server.ts';
import { FakeCustomResources } from '../../kit/fakes/fake-custom-resources.ts';
import { PreparedBroker } from '../../kit/broker/prepared-broker.ts';
import { postgresLog } from '../../kit/log/stored-log.ts';

const ACCEPTED = 'quaymaster_custom_resources{cluster="c1",state="accepted"}';
const SOURCE = {
  cluster: 'c1',
  connection: 'home',
  namespaces: [{ name: 'prod', prefixes: ['own'] }],
};

function spec(path: string): object {
  const subject = { clusters: ['c1'], namespaces: ['prod'], serviceAccounts: ['api'] };
  const rule = { effect: 'allow', paths: [path], capabilities: ['read'] };
  return { subjects: [subject], rules: [rule] };
}

describeWith(['postgres'], 'two brokers that may copy custom resources', ({ postgres }) => {
  let database: TestDatabase;
  let kube: FakeApiServer;
  let resources: FakeCustomResources;
  let first: PreparedBroker;
  let second: PreparedBroker;

  beforeAll(async () => {
    database = await createDatabase(postgres);
    kube = await FakeApiServer.start();
    resources = new FakeCustomResources(kube);
    first = await PreparedBroker.start({
      files: { dsn: database.connectionString },
      config: (directory) => ({
        store: { type: 'postgres', connectionStringFile: `${directory}/dsn` },
        connections: { home: kube.access },
        kubernetes: { documents: [SOURCE] },
      }),
    });
    second = await first.replica();
    await second.installation.start();
  }, 240_000);
  afterAll(async () => {
    await second.remove();
    await first.remove();
    await kube.close();
    await database.drop();
  });

  const copies = async (broker: PreparedBroker, count: number): Promise<void> =>
    until(`${count} accepted`, async () => (await broker.metric(ACCEPTED)) === count);

  /** The changes of policies that came from resources: the writer of the entry, and the document with its version. */
  async function changes(): Promise<readonly (readonly [string, string])[]> {
    const entries = await postgresLog(database.connectionString);
    return entries
      .filter(
        ({ action, actor }) => action.startsWith('document.') && actor['id'] === 'kubernetes/c1',
      )
      .map(({ writer, document }) => {
        const { name, version } = document as { readonly name: string; readonly version: number };
        return [String(writer), `${name} ${version}`] as const;
      });
  }

  it('copy each change once, also after a kill and after a pause of the one that copies (CR09)', async () => {
    resources.put('a', spec('own/a'));
    await copies(first, 1);
    expect([await second.metric(ACCEPTED), resources.listed]).toEqual([0, 1]);

    first.installation.signal('SIGKILL');
    await first.installation.ended();
    resources.put('a', spec('own/a2'));
    resources.put('b', spec('own/b'));
    await copies(second, 2);
    await first.installation.start();
    resources.put('c', spec('own/c'));
    await copies(second, 3);
    expect([await first.metric(ACCEPTED), resources.listed]).toEqual([0, 2]);

    second.installation.signal('SIGSTOP');
    await copies(first, 3);
    resources.put('a', spec('own/a3'));
    await until('the change', async () =>
      (await changes()).some(([, done]) => done.endsWith('.a 3')),
    );
    second.installation.signal('SIGCONT');
    await copies(second, 0);
    resources.put('d', spec('own/d'));
    await copies(first, 4);

    const all = await changes();
    expect(all.map(([, done]) => done).sort()).toEqual(
      ['a 1', 'a 2', 'a 3', 'b 1', 'c 1', 'd 1'].map((done) => `c1.prod.${done}`),
    );
    const writers = Object.fromEntries(all.map(([writer, done]) => [done, writer]));
    expect(writers['c1.prod.a 2']).toBe(writers['c1.prod.c 1']);
    expect(writers['c1.prod.a 3']).toBe(writers['c1.prod.d 1']);
    expect(new Set(Object.values(writers)).size).toBe(3);
    // One status for each generation: two brokers that copy would write against each other.
    expect(resources.patched).toBe(all.length);
  }, 300_000);
});
