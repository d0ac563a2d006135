import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { describeWith } from '../../kit/backends/backends.ts';
import { createDatabase, type TestDatabase } from '../../kit/backends/postgres.ts';
import { until } from '../../kit/backends/until.ts';
import { PreparedBroker } from '../../kit/broker/prepared-broker.ts';

const SECRETS = 60;

describeWith(['postgres'], 'a rotation of the root key with two brokers', ({ postgres }) => {
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
    for (let name = 0; name < SECRETS; name += 1)
      await first.write(`own/s${name}`, { v: `value ${name}` });
    second = await first.replica();
    await second.installation.start();
  });
  afterAll(async () => {
    await second.remove();
    await first.remove();
    await database.drop();
  });

  it('reaches both while they write and read, and one that is killed meanwhile (F43)', async () => {
    const token = first.operator;
    const refused: unknown[] = [];
    const status = async (broker: PreparedBroker) => {
      const { status: code, json } = await broker.installation.call('GET', '/api/v1/keys', {
        token,
      });
      if (code === 200) return json as { rotating: boolean; keys: { id: string; state: string }[] };
      refused.push(json);
      return { rotating: true, keys: [] };
    };
    const [before] = (await status(first)).keys;
    const asked = await first.installation.call('POST', '/api/v1/keys:rotate', {
      token,
      body: { reason: 'test' },
    });
    expect(asked.status).toBe(202);
    const session = await second.logInEarly();
    let written = 0;
    let wasKilled = false;
    await until('the rotation ends', async () => {
      const { json, status: code } = await second.read(session, `own/s${written % SECRETS}`);
      if (code !== 200) refused.push(json);
      await second.write(`own/new${written}`, { v: String(written) }).catch((error: unknown) => {
        refused.push(String(error));
      });
      written += 1;
      const { rotating, keys } = await status(second);
      if (!wasKilled && keys.some(({ state }) => state === 'retired')) {
        wasKilled = true;
        await first.installation.stop('SIGKILL');
        await first.installation.start();
      }
      return !rotating;
    });
    const now = await status(first);
    expect(now.keys).toHaveLength(1);
    expect(now.keys[0]?.id).not.toBe(before?.id);
    expect(wasKilled).toBe(true);
    // A batch that meets the change of the key is refused once, and nothing of it happened.
    expect(refused.length).toBeLessThanOrEqual(2);
    const own = await first.logInEarly();
    for (let name = 0; name < SECRETS; name += 7) {
      const { json } = await first.read(own, `own/s${name}`);
      expect(json['data']).toEqual({ v: `value ${name}` });
    }
    for (const broker of [first, second]) {
      const ready = await fetch(`${broker.installation.url}/readyz`);
      expect(await ready.json()).toEqual({ ready: true, reasons: [] });
    }
  });
});
