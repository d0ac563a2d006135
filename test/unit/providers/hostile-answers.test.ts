import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Socket } from 'node:net';
import { Sensitive } from '../../../src/domain/secrets/sensitive.ts';
import { systemClock } from '../../../src/process/clock.ts';
import { connectMysql } from '../../../src/providers/mysql/client/server.ts';
import { mysqlConnectionSchema } from '../../../src/providers/mysql/config.ts';
import { connectPostgres } from '../../../src/providers/postgres/client/server.ts';
import { postgresConnectionSchema } from '../../../src/providers/postgres/config.ts';
import { redisConnectionSchema } from '../../../src/providers/redis/config.ts';
import { RedisServer } from '../../../src/providers/redis/client.ts';
import { contextOf, failureOf } from '../../contract/secret-provider.contract.ts';
import { AUTHENTICATED, int32, message, READY, text } from '../../kit/fakes/hostile-postgres.ts';
import { FakeVault } from '../../kit/fakes/fake-vault.ts';
import { VaultConnections } from '../../kit/providers/vault-connections.ts';
import { type HostileServer, startHostileServer } from '../../kit/fakes/hostile-server.ts';
import { PATIENT } from '../../kit/providers/longest-timeout.ts';

/** Processor time that one hostile conversation may cost. Before the bounds: 4.5 s for a big number of Redis, no end for an error of PostgreSQL. */
const MOST_CPU_MS = 1_000;
const BYTES = 1_000_000;

let directory: string;
let server: HostileServer | undefined;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'quaymaster-hostile-answers-'));
  await writeFile(join(directory, 'password'), 'p');
});
afterEach(() => server?.close());
afterAll(() => rm(directory, { recursive: true }));

const shared = (port: number) => ({
  host: '127.0.0.1',
  port,
  username: 'admin',
  passwordFile: join(directory, 'password'),
  locators: ['**'],
  limits: { ...PATIENT, maxRetries: 0 },
});
const parts = { clock: systemClock, connection: 'backend' };

/** Starts the server and measures the processor time until the call fails. */
async function failing(
  answer: (socket: Socket, count: number) => void,
  use: (port: number) => Promise<unknown>,
) {
  server = await startHostileServer(answer);
  const before = process.cpuUsage();
  const error = await failureOf(use(server.port));
  const { user, system } = process.cpuUsage(before);
  expect((user + system) / 1_000).toBeLessThan(MOST_CPU_MS);
  return error;
}

describe('the worst answers of the protocol of Redis (B10)', () => {
  const ask = async (port: number): Promise<unknown> => {
    const config = redisConnectionSchema.parse({
      type: 'redis',
      allowCleartextPassword: true,
      ...shared(port),
    });
    const redis = new RedisServer(config, parts);
    return redis.read(contextOf(), (command) => command('ACL', 'GETUSER', 'app'));
  };

  it.each([
    ['a number of a million digits', `(${'9'.repeat(BYTES)}\r\n`],
    ['a number without an end', `:${'9'.repeat(BYTES)}`],
    ['a line without an end', `+${'x'.repeat(BYTES)}`],
    ['lists within lists', '*1\r\n'.repeat(BYTES / 4)],
    ['a list of two billion elements', '*2147483647\r\n:1\r\n'],
    ['many lists of many elements', '*1000\r\n'.repeat(1_000)],
    ['a text without its end', `$3\r\nabcdef\r\n`],
    ['a map of RESP 3', '%1\r\n+a\r\n+b\r\n'],
    ['a double of RESP 3', `,${'1'.repeat(BYTES)}\r\n`],
    ['an answer to no command', '+OK\r\n+OK\r\n+OK\r\n'],
  ])('end the connection: %s', async (_what, bytes) => {
    const error = await failing((socket, count) => {
      if (count === 1) socket.write(bytes);
    }, ask);
    expect(error).toMatchObject({ code: 'ERR_PROVIDER_MALFORMED', reason: 'protocol' });
  });

  it('end the connection at its bytes: a text of a gigabyte', async () => {
    const error = await failing((socket, count) => {
      if (count === 1) socket.write(`$1073741824\r\n${'x'.repeat(2 * BYTES)}`);
    }, ask);
    expect(error).toMatchObject({ code: 'ERR_PROVIDER_MALFORMED', reason: 'too_large' });
  });

  it('are read in any pieces if they are legitimate', async () => {
    const bytes = Buffer.from('*4\r\n$5\r\nflags\r\n*1\r\n+on\r\n$-1\r\n:-12\r\n');
    server = await startHostileServer((socket, count) => {
      if (count === 1) socket.write('+OK\r\n');
      if (count !== 2) return;
      socket.setNoDelay(true);
      void (async () => {
        for (const byte of bytes) {
          socket.write(Buffer.from([byte]));
          await new Promise((resolve) => setImmediate(resolve));
        }
      })();
    });
    expect(await ask(server.port)).toEqual(['flags', ['on'], null, -12]);
  });
});

describe('the worst answers of the protocol of PostgreSQL (B10)', () => {
  const ask = async (port: number): Promise<unknown> => {
    const config = postgresConnectionSchema.parse({ type: 'postgres', ...shared(port) });
    const postgres = await connectPostgres(config, parts);
    return postgres.read(contextOf(), (session) => session.query('SELECT 1'));
  };
  const repeated = (bytes: Buffer): Buffer =>
    Buffer.concat(Array.from({ length: Math.floor(BYTES / bytes.length) }, () => bytes));

  it.each([
    // The driver would look for the last field for ever.
    ['an error without its end', message('E', Buffer.from('S')), 'protocol'],
    ['a notice without its end', message('N', Buffer.from('SNOTICE')), 'protocol'],
    [
      'a field that is longer than its row',
      message('D', Buffer.from([0, 1, 0, 15, 0, 0])),
      'protocol',
    ],
    [
      'rows that each read the ones behind them',
      repeated(message('D', Buffer.from([0, 1, 0, 15, 0, 0]))),
      'protocol',
    ],
    ['more columns than a table has', message('T', Buffer.from([127, 255])), 'protocol'],
    ['a row of negative length', message('D', Buffer.from([0, 1, 255, 0, 0, 0])), 'protocol'],
    ['a request for a copy', message('G', Buffer.from([0, 255, 255])), 'protocol'],
    ['a long name without its end', message('C', Buffer.alloc(200_000, 65)), 'protocol'],
    ['a message of a gigabyte', Buffer.concat([Buffer.from('N'), int32(2 ** 30)]), 'too_large'],
    ['empty messages without an end', repeated(message('1')), /too_large|protocol/],
    ['notices without an end', repeated(message('N', Buffer.from([0]))), 'too_large'],
  ])('end the connection: %s', async (_what, bytes, reason) => {
    for (const login of [bytes, Buffer.concat([AUTHENTICATED, READY])]) {
      const error = await failing((socket, count) => {
        if (count === 1) socket.write(login);
        if (count === 2) socket.write(bytes);
      }, ask);
      expect(error.code).toBe('ERR_PROVIDER_MALFORMED');
      expect(error.reason).toMatch(reason);
      await server?.close();
    }
  });

  it('are read in any pieces if they are legitimate', async () => {
    const column = Buffer.concat([
      text('x'),
      int32(0),
      Buffer.alloc(2),
      int32(25),
      Buffer.alloc(2),
      int32(-1),
      Buffer.alloc(2),
    ]);
    const rows = Buffer.concat([
      message('1'),
      message('2'),
      message('T', Buffer.concat([Buffer.from([0, 1]), column])),
      message('N', Buffer.concat([text('SNOTICE'), Buffer.from([0])])),
      message('D', Buffer.concat([Buffer.from([0, 1]), int32(1), Buffer.from('x')])),
      message('D', Buffer.concat([Buffer.from([0, 1]), int32(-1)])),
      message('C', text('SELECT 2')),
      READY,
    ]);
    server = await startHostileServer((socket, count) => {
      if (count === 1) socket.write(Buffer.concat([AUTHENTICATED, READY]));
      if (count !== 2) return;
      socket.setNoDelay(true);
      void (async () => {
        for (const byte of rows) {
          socket.write(Buffer.from([byte]));
          await new Promise((resolve) => setImmediate(resolve));
        }
      })();
    });
    expect(await ask(server.port)).toEqual([['x'], [null]]);
  });
});

describe('the worst answers of the protocol of MySQL (B10)', () => {
  const warned = jest.spyOn(console, 'error');
  beforeAll(() => void warned.mockImplementation(() => undefined));
  afterAll(() => warned.mockRestore());
  const packet = (sequence: number, ...given: readonly (Buffer | string)[]): Buffer => {
    const body = Buffer.concat(given.map((part) => Buffer.from(part as string, 'latin1')));
    const head = Buffer.alloc(4);
    head.writeUIntLE(body.length, 0, 3);
    head[3] = sequence & 255;
    return Buffer.concat([head, body]);
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
  const eof = Buffer.from([0xfe, 0, 0, 2, 0]);
  const column = (type: number): Buffer =>
    Buffer.concat([
      Buffer.from('\x03def\0\0\0\x011\0\x0c', 'latin1'),
      Buffer.from([63, 0, 255, 255, 0, 0, type, 0x81, 0, 0, 0, 0]),
    ]);
  const value = (type: number, content: Buffer): Buffer => {
    const length = Buffer.from([
      0xfd,
      content.length & 255,
      (content.length >> 8) & 255,
      content.length >> 16,
    ]);
    return Buffer.concat([
      packet(1, Buffer.from([1])),
      packet(2, column(type)),
      packet(3, eof),
      packet(4, length, content),
      packet(5, eof),
    ]);
  };
  const [JSON_TYPE, GEOMETRY] = [245, 255];
  const nested = Buffer.concat([
    Buffer.alloc(4),
    ...Array.from({ length: 20_000 }, () => Buffer.from([1, 7, 0, 0, 0, 1, 0, 0, 0])),
  ]);
  const ask = async (port: number): Promise<unknown> => {
    const config = mysqlConnectionSchema.parse({ type: 'mysql', ...shared(port) });
    const mysql = await connectMysql(config, parts);
    return mysql.logIn({ username: 'app', password: new Sensitive('p') }, contextOf(), (session) =>
      session.ask('SELECT 1'),
    );
  };
  const conversation =
    (bytes: Buffer) =>
    (socket: Socket, count: number): void => {
      if (count === 0) socket.write(greeting);
      if (count === 1) socket.write(ok);
      if (count === 2) socket.write(bytes);
    };
  const many = (one: (at: number) => Buffer, length: number): Buffer =>
    Buffer.concat(Array.from({ length }, (_none, at) => one(at)));

  it.each([
    ['packets out of order', many(() => packet(9), BYTES / 4), 'protocol'],
    [
      'columns without an end',
      Buffer.concat([
        packet(1, Buffer.from([0xfe]), Buffer.alloc(8, 1)),
        many((at) => packet(2 + at, Buffer.alloc(26)), 33_000),
      ]),
      'too_large',
    ],
    [
      'rows without an end',
      Buffer.concat([
        packet(1, Buffer.from([1])),
        packet(2, column(253)),
        packet(3, eof),
        many((at) => packet(4 + at, '\0'), 200_000),
      ]),
      'too_large',
    ],
    ['a packet of half a megabyte', packet(1, Buffer.alloc(500_000, 0xff)), 'too_large'],
  ])('end the connection: %s', async (_what, bytes, reason) => {
    const error = await failing(conversation(bytes), ask);
    expect(error).toMatchObject({ code: 'ERR_PROVIDER_MALFORMED', reason });
    expect(warned).not.toHaveBeenCalled();
  });

  it.each([
    ['geometries within geometries', GEOMETRY, nested],
    ['lists within lists of JSON', JSON_TYPE, Buffer.alloc(200_000, '[')],
  ])('are not parsed: %s', async (_what, type, content) => {
    server = await startHostileServer(conversation(value(type, content)));
    const before = process.cpuUsage();
    expect(await ask(server.port)).toEqual([[content.toString('utf8')]]);
    const { user } = process.cpuUsage(before);
    expect(user / 1_000).toBeLessThan(MOST_CPU_MS);
  });
});

describe('the worst answers in JSON over HTTP (B10)', () => {
  let vault: FakeVault | undefined;
  let connections: VaultConnections | undefined;
  afterEach(async () => {
    await connections?.close();
    await vault?.close();
  });

  it.each([
    ['a number of a million digits', `{"n":${'9'.repeat(BYTES)}}`],
    ['lists within lists', `{"n":${'['.repeat(BYTES / 2 - 10)}${']'.repeat(BYTES / 2 - 10)}}`],
    ['lists without an end', '['.repeat(BYTES)],
    ['one key again and again', `{${'"a":1,'.repeat(BYTES / 6 - 10)}"a":1}`],
    ['numbers that fractions make exact', `{"n":[${'0.10,'.repeat(BYTES / 5 - 10)}1]}`],
  ])('cost little: %s', async (_what, body) => {
    vault = await FakeVault.start();
    connections = await VaultConnections.create();
    vault.fault = (_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(body);
      return 'handled';
    };
    const { client } = await connections.connect(vault.address, 's.broker', {
      limits: { ...PATIENT, maxRetries: 0 },
    });
    const before = process.cpuUsage();
    await client
      .read({ method: 'GET', path: 'secret/data/db' }, contextOf())
      .catch(() => undefined);
    const { user, system } = process.cpuUsage(before);
    expect((user + system) / 1_000).toBeLessThan(MOST_CPU_MS);
  });
});
