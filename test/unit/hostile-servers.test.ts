import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import fc from 'fast-check';
import { systemClock } from '../../src/process/clock.ts';
import { bearer, BrokerClient } from '../../src/client/index.ts';
import { ApiError, UnreachableError } from '../../src/client/errors.ts';
import { connectMysql } from '../../src/providers/mysql/client/server.ts';
import { mysqlConnectionSchema } from '../../src/providers/mysql/config.ts';
import { connectPostgres } from '../../src/providers/postgres/client/server.ts';
import { postgresConnectionSchema } from '../../src/providers/postgres/config.ts';
import { aclUserOptions, redisConnectionSchema } from '../../src/providers/redis/config.ts';
import { RedisServer } from '../../src/providers/redis/client.ts';
import { AclUser } from '../../src/providers/redis/rotator.ts';
import { tracesConfigSchema } from '../../src/process/trace/config.ts';
import { SpanExporter } from '../../src/process/trace/exporter.ts';
import { KIND } from '../../src/process/trace/otlp.ts';
import { turnOf } from '../contract/rotation-target.contract.ts';
import { contextOf } from '../contract/secret-provider.contract.ts';
import { startHostileServer, type HostileServer } from '../kit/fakes/hostile-server.ts';
import { AUTHENTICATED, int32, message, READY, text } from '../kit/fakes/hostile-postgres.ts';
import { FakeVault } from '../kit/fakes/fake-vault.ts';
import { LyingReceiver, say } from '../kit/fakes/lying-receiver.ts';
import { HandClock } from '../kit/time/hand-clock.ts';
import {
  hostileBytes,
  hostileText,
  hostileValue,
  parsesSoon,
} from '../kit/checks/hostile-values.ts';
import { PATIENT } from '../kit/providers/longest-timeout.ts';
import { VaultConnections } from '../kit/providers/vault-connections.ts';

const RUNS = { numRuns: 100 };

let directory: string;
let server: HostileServer | undefined;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'quaymaster-hostile-servers-'));
  await writeFile(join(directory, 'password'), 'p');
});
afterEach(async () => {
  await server?.close();
  server = undefined;
});
afterAll(() => rm(directory, { recursive: true }));

/**
 * Calls `use` against servers that send the answers of a valid conversation, one for each chunk that they receive, with one of them changed. After the
 * changed answer they close the connection, so that no test waits for the rest of a message that cannot come.
 */
async function againstServers(
  answers: readonly Buffer[],
  use: (port: number) => Promise<unknown>,
  isGreeting = false,
): Promise<void> {
  const changed = fc
    .nat(answers.length - 1)
    .chain((at) => fc.tuple(fc.constant(at), hostileBytes(answers[at] ?? Buffer.alloc(0))));
  let conversation: readonly [number, Buffer] | undefined;
  server = await startHostileServer((socket, count) => {
    const at = isGreeting ? count : count - 1;
    const isChanged = at === conversation?.[0];
    const bytes = isChanged ? conversation?.[1] : answers[at];
    if (at >= 0 && bytes !== undefined) socket.write(bytes);
    if (isChanged || at >= answers.length) socket.end();
  });
  const { port } = server;
  await use(port);
  await fc.assert(
    fc.asyncProperty(changed, async (each) => {
      conversation = each;
      await parsesSoon(() => use(port));
    }),
    RUNS,
  );
}

const CONNECTION = {
  host: '127.0.0.1',
  username: 'admin',
  locators: ['**'],
  limits: { ...PATIENT, maxRetries: 0 },
};

describe('a hostile database server', () => {
  it('causes an error of the broker, whatever it sends as PostgreSQL', async () => {
    const column = Buffer.concat([
      text('x'),
      int32(0),
      Buffer.from([0, 0]),
      int32(25),
      Buffer.from([0, 0]),
      int32(-1),
      Buffer.from([0, 0]),
    ]);
    const row = Buffer.concat([
      message('1'),
      message('2'),
      message('T', Buffer.concat([Buffer.from([0, 1]), column])),
      message('D', Buffer.concat([Buffer.from([0, 1]), int32(1), Buffer.from('x')])),
      message('C', text('SELECT 1')),
      READY,
    ]);
    await againstServers([Buffer.concat([AUTHENTICATED, READY]), row], async (port) => {
      const passwordFile = join(directory, 'password');
      const config = postgresConnectionSchema.parse({
        type: 'postgres',
        ...CONNECTION,
        port,
        passwordFile,
        tls: 'off',
      });
      const postgres = await connectPostgres(config, { clock: systemClock, connection: 'backend' });
      await postgres.read(contextOf(), (session) => session.query('SELECT $1', ['x']));
    });
  }, 120_000);

  it('causes an error of the broker, whatever it sends as MariaDB', async () => {
    // The driver warns of packets out of order.
    const warned = jest.spyOn(console, 'error').mockImplementation(() => undefined);
    const packet = (sequence: number, ...parts: readonly (Buffer | string)[]): Buffer => {
      const body = Buffer.concat(parts.map((part) => Buffer.from(part)));
      return Buffer.concat([
        Buffer.from([body.length & 0xff, body.length >> 8, 0, sequence]),
        body,
      ]);
    };
    const greeting = packet(
      0,
      '\x0a8.0.40\0',
      Buffer.from([1, 0, 0, 0]),
      'saltsalt\0',
      Buffer.from([0x80, 0x82, 45, 2, 0, 8, 0, 21]),
      Buffer.alloc(10),
      'saltsaltsalt\0mysql_native_password\0',
    );
    const ok = packet(2, Buffer.from([0, 0, 0, 2, 0, 0, 0]));
    const column = Buffer.concat([
      Buffer.from('\x03def\0\0\0\x011\0\x0c', 'latin1'),
      Buffer.from([63, 0, 1, 0, 0, 0, 8, 0x81, 0, 0, 0, 0]),
    ]);
    const eof = Buffer.from([0xfe, 0, 0, 2, 0]);
    const rows = Buffer.concat([
      packet(1, Buffer.from([1])),
      packet(2, column),
      packet(3, eof),
      packet(4, Buffer.from('\x011')),
      packet(5, eof),
    ]);
    await againstServers(
      [greeting, ok, packet(1, Buffer.from([0, 0, 0, 2, 0, 0, 0])), rows],
      async (port) => {
        const passwordFile = join(directory, 'password');
        const config = mysqlConnectionSchema.parse({
          type: 'mysql',
          ...CONNECTION,
          port,
          passwordFile,
          tls: 'off',
        });
        const mysql = await connectMysql(config, { clock: systemClock, connection: 'backend' });
        expect(await mysql.read(contextOf(), (session) => session.ask('SELECT 1'))).toBeDefined();
      },
      true,
    );
    warned.mockRestore();
  }, 120_000);

  it('causes an error of the broker, whatever it sends as Redis', async () => {
    const hash = 'a'.repeat(64);
    const user = `*4\r\n$5\r\nflags\r\n*1\r\n$2\r\non\r\n$9\r\npasswords\r\n*1\r\n$64\r\n${hash}\r\n`;
    const options = aclUserOptions.parse({ username: 'app', keys: {}, save: false });
    await againstServers(
      ['+OK\r\n', user, '+OK\r\n'].map((answer) => Buffer.from(answer)),
      async (port) => {
        const passwordFile = join(directory, 'password');
        const config = redisConnectionSchema.parse({
          type: 'redis',
          allowCleartextPassword: true,
          ...CONNECTION,
          port,
          passwordFile,
          tls: 'off',
        });
        const user = new AclUser(
          new RedisServer(config, { clock: systemClock, connection: 'backend' }),
          options,
        );
        const current = { username: 'app', password: 'old' };
        await user.set(turnOf(current), { username: 'app', password: 'new' });
      },
    );
  }, 120_000);
});

describe('a hostile HTTP server', () => {
  const http = (type: string, body: string): string =>
    `HTTP/1.1 200 OK\r\ncontent-type: ${type}\r\ncontent-length: ${body.length}\r\n\r\n${body}`;

  it('causes an error of the client if it answers for the broker', async () => {
    const valid = http('application/json', '{"data":{"a":"b"},"version":"1","lease":{"id":"x"}}');
    let answer: Buffer | undefined;
    server = await startHostileServer((socket, count) => {
      if (count > 0) socket.end(answer ?? '');
    });
    const client = new BrokerClient({
      url: `http://127.0.0.1:${server.port}`,
      tries: 1,
      timeoutMs: 60_000,
    });
    const token = `qms_${'0'.repeat(50)}`;
    await fc.assert(
      fc.asyncProperty(hostileBytes(Buffer.from(valid)), async (bytes) => {
        answer = bytes;
        const call = client.as(bearer(token)).call('readSecret', { path: { path: 'a/b' } });
        const failure: unknown = await call.then(
          () => undefined,
          (error: unknown) => error,
        );
        if (failure instanceof ApiError) return;
        if (failure !== undefined) expect(failure).toBeInstanceOf(UnreachableError);
      }),
      RUNS,
    );
    client.close();
  }, 120_000);

  it('changes only what is counted if it receives traces', async () => {
    let answer: Buffer | undefined;
    server = await startHostileServer((socket, count) => {
      if (count > 0) socket.end(answer ?? '');
    });
    const config = tracesConfigSchema.parse({
      endpoint: `http://127.0.0.1:${server.port}/v1/traces`,
    });
    const log = { debug: () => 0, info: () => 0, warn: () => 0, error: () => 0 };
    const at = { startedAt: 0, endedAt: 1, attributes: {}, hasFailed: false };
    const span = {
      traceId: 'a'.repeat(32),
      spanId: 'b'.repeat(16),
      parentId: undefined,
      isParentRemote: false,
      name: 'x',
      kind: KIND.internal,
      ...at,
    };
    await fc.assert(
      fc.asyncProperty(hostileBytes(Buffer.from(http('application/json', '{}'))), async (bytes) => {
        answer = bytes;
        const exporter = await SpanExporter.open(config, {
          clock: new HandClock(),
          log,
          random: { fraction: () => 0.5 },
          release: '0.0.0',
        });
        exporter.add(span);
        await exporter.close();
        const { exported, dropped } = exporter.counts;
        expect(exported + dropped).toBeLessThanOrEqual(1);
      }),
      RUNS,
    );
  }, 120_000);

  it('causes an error of the broker if it answers a rotation, signed by the key of the webhook', async () => {
    const receiver = new LyingReceiver();
    await receiver.start();
    const done = {
      version: 1,
      outcome: 'done',
      pending: { password: 'new', note: { base64: 'AA==' } },
    };
    receiver.lie = say(done);
    await receiver.target().create(turnOf({ password: 'old' }));
    await fc.assert(
      fc.asyncProperty(hostileValue(done), async (value) => {
        receiver.lie = say(value ?? null);
        // A connection of its own: the circuit breaker would open after a few failures.
        const target = receiver.target();
        const turn = turnOf({ password: 'old' });
        await parsesSoon(() => target.create(turn));
        await parsesSoon(() => target.set(turn, { password: 'new' }));
        await parsesSoon(() => target.test({ password: 'new' }, contextOf()));
      }),
      RUNS,
    );
    await receiver.stop();
  }, 120_000);

  it('causes an error of the broker if it answers for Vault', async () => {
    const vault = await FakeVault.start();
    const connections = await VaultConnections.create();
    const version = {
      data: { data: { a: 'b' }, metadata: { version: 1, created_time: '2026-01-01T00:00:00Z' } },
    };
    const body = fc.oneof(hostileValue(version), hostileValue({ data: { keys: ['a', 'b/'] } }));
    const status = fc.constantFrom(200, 200, 200, 204, 302, 400, 403, 404, 429, 500);
    await fc.assert(
      fc.asyncProperty(status, body, hostileText('a'), async (code, answered, error) => {
        vault.fault = () => ({ status: code, body: code === 200 ? answered : { errors: [error] } });
        // A connection of its own: the circuit breaker would open after a few failures.
        const limits = { maxRetries: 0 };
        const connection = await connections.connect(vault.address, 's.broker', { limits });
        const provider = connection.mount({ engine: 'kv-v2', path: 'secret' });
        await parsesSoon(() => provider.read('db', undefined, contextOf()));
        await parsesSoon(() => provider.list('', { limit: 5 }, contextOf()));
      }),
      RUNS,
    );
    await connections.close();
    await vault.close();
  }, 120_000);
});
