import { rm } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { describeWith } from '../kit/backends/backends.ts';
import { createDatabase, type TestDatabase } from '../kit/backends/postgres.ts';
import { until } from '../kit/backends/until.ts';
import { PreparedBroker } from '../kit/broker/prepared-broker.ts';
import { CommandLine, type Ran } from '../kit/cli/command-line.ts';
import { startHostileServer } from '../kit/fakes/hostile-server.ts';
import { FaultProxy } from '../kit/network/fault-proxy.ts';
import { RecordingProxy } from '../kit/network/recording-proxy.ts';

const UNREACHABLE = 5;
const TOKEN = `qmo_${'0'.repeat(49)}`;

let shell: CommandLine;
beforeEach(async () => {
  shell = await CommandLine.make();
});
afterEach(() => shell.remove());

/** Runs a command against an address. */
async function run(verb: string, url: string, token: string): Promise<Ran> {
  const file = await shell.write('operator.token', token);
  return shell.run(verb, '--url', url, '--token-file', file);
}

/** Runs it against a broker. @returns also the requests that it sent, in their order */
async function observed({ installation, operator }: PreparedBroker, verb = 'status') {
  const proxy = await RecordingProxy.start(Number(new URL(installation.url).port));
  try {
    const ran = await run(verb, proxy.address, operator);
    const sent = proxy.seen.toString('latin1').match(/(?:GET|POST|PUT|DELETE) \S+(?= HTTP\/1\.1)/g);
    return { ...ran, sent };
  } finally {
    await proxy.close();
  }
}

describe('quaymaster status', () => {
  it('asks a sealed broker once for its readiness and once for the person that sealed it', async () => {
    const broker = await PreparedBroker.start();
    try {
      const { operator: token, installation } = broker;
      const sealed = { token, body: { reason: 'INC-7' } };
      expect((await installation.call('POST', '/api/v1/seal', sealed)).status).toBe(200);
      const { code, out, sent } = await observed(broker);
      expect(out).toMatch(/ERR_SEALED: sealed by bootstrap at .*, reason: INC-7/);
      expect(sent).toEqual(['GET /readyz', 'GET /api/v1/status']);
      expect(code).toBe(1);
    } finally {
      await broker.remove();
    }
  });

  it.each(['status', 'doctor'])(
    'asks a broker that waits for its key once, also as %s',
    async (verb) => {
      const broker = await PreparedBroker.start();
      const { installation } = broker;
      try {
        await installation.stop();
        await rm(installation.file('keys/kek'));
        // The end of the test stops it.
        installation.start().catch(() => undefined);
        await until('it waits for its key', async () => {
          const answer = await fetch(`${installation.url}/readyz`).catch(() => undefined);
          return answer?.status === 503;
        });
        const { code, out, sent } = await observed(broker, verb);
        expect(out).toContain('ERR_SEALED: The keys are not available');
        expect(sent).toEqual(['GET /readyz', 'GET /api/v1/status']);
        expect(code).toBe(1);
      } finally {
        await broker.remove();
      }
    },
  );

  it('gives up a broker that never answers after 1.8 s, without a second request', async () => {
    const server = await startHostileServer(() => undefined);
    try {
      const { code, out, err } = await run('status', `http://127.0.0.1:${server.port}`, TOKEN);
      expect([code, out]).toEqual([UNREACHABLE, '']);
      expect(err).toContain(`http://127.0.0.1:${server.port} gave no answer in 1.8 s`);
      expect(
        server
          .received()
          .toString('latin1')
          .match(/GET \S+/g),
      ).toEqual(['GET /readyz']);
    } finally {
      await server.close();
    }
  });
});

describeWith(['postgres'], 'quaymaster status and the database', ({ postgres }) => {
  let broker: PreparedBroker;
  let proxy: FaultProxy;
  let database: TestDatabase;

  beforeAll(async () => {
    proxy = await FaultProxy.start(postgres.port);
    database = await createDatabase(postgres);
    broker = await PreparedBroker.start({
      files: { dsn: database.connectionString.replace(`:${postgres.port}/`, `:${proxy.port}/`) },
      config: (directory) => ({
        store: { type: 'postgres', connectionStringFile: `${directory}/dsn` },
      }),
    });
  });
  afterAll(async () => {
    await broker.remove();
    await proxy.close();
    await database.drop();
  });

  it('shows what came in 1.8 s, and names the rest, while the database hangs', async () => {
    proxy.toxics = { blackHole: true };
    try {
      const { code, out } = await observed(broker);
      expect(out).toMatch(/^mounts +not shown: no answer in time$/m);
      expect(code).toBe(1);
    } finally {
      proxy.toxics = {};
      proxy.reset();
    }
  });

  it('asks a broker with an unreachable database only for its readiness', async () => {
    await proxy.down();
    try {
      await until('the broker knows it', async () => {
        const answer = await fetch(`${broker.installation.url}/readyz`);
        return (await answer.text()).includes('ERR_STORE_UNAVAILABLE');
      });
      const { code, out, sent } = await observed(broker);
      expect(out).toMatch(/not shown: not asked, because the broker answers ERR_STORE_UNAVAILABLE/);
      expect(sent).toEqual(['GET /readyz']);
      expect(code).toBe(1);
    } finally {
      await proxy.up();
    }
  });
});
