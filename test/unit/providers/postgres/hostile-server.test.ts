import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../../../src/process/clock.ts';
import { connectPostgres } from '../../../../src/providers/postgres/client/server.ts';
import { postgresConnectionSchema } from '../../../../src/providers/postgres/config.ts';
import { wholeText } from '../../../contract/rotation-target.contract.ts';
import { contextOf, failureOf } from '../../../contract/secret-provider.contract.ts';
import {
  AUTHENTICATED,
  HostilePostgres,
  int32,
  message,
  READY,
  text,
} from '../../../kit/fakes/hostile-postgres.ts';
import { PATIENT } from '../../../kit/providers/longest-timeout.ts';

const PASSWORD = 'canary-9f1c-password';

describe('a hostile PostgreSQL server (R05)', () => {
  let directory: string;
  const open: HostilePostgres[] = [];
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'quaymaster-hostile-postgres-'));
    await writeFile(join(directory, 'password'), `${PASSWORD}\n`);
  });
  afterEach(async () => {
    for (const server of open.splice(0)) await server.close();
  });
  afterAll(() => rm(directory, { recursive: true, force: true }));

  type Answer = (socket: Socket, chunk: Buffer, before: number) => void;
  /** The broker treats 127.0.0.2 as a remote host. */
  const against = async (answer: Answer, changes: object = {}, address = '127.0.0.1') => {
    const server = new HostilePostgres(answer);
    open.push(server);
    const config = postgresConnectionSchema.parse({
      type: 'postgres',
      host: address,
      port: await server.listen(address),
      username: 'broker',
      passwordFile: join(directory, 'password'),
      locators: ['**'],
      limits: { ...PATIENT, maxRetries: 0 },
      ...changes,
    });
    const connected = await connectPostgres(config, { clock: systemClock, connection: 'backend' });
    const ask = () => connected.read(contextOf(), (session) => session.query('SELECT $1', ['x']));
    return { server, ask, sent: () => Buffer.concat(server.received).toString('latin1') };
  };
  /** Accepts every login, and answers the first statement with `rows`. */
  const answering =
    (rows: (socket: Socket) => void): Answer =>
    (socket, _chunk, before) => {
      if (before === 0) socket.write(Buffer.concat([AUTHENTICATED, READY]));
      else rows(socket);
    };

  const asking = (asked: Buffer): Answer => {
    return (socket) => socket.write(message('R', asked));
  };
  const [CLEAR, MD5] = [int32(3), Buffer.concat([int32(5), Buffer.from('salt')])];

  it.each([
    ['in the clear from another host', CLEAR, '127.0.0.2', { tls: 'off' }],
    ['as MD5 from another host', MD5, '127.0.0.2', { tls: 'off' }],
    ['in the clear on loopback', CLEAR, '127.0.0.1', {}],
    ['as MD5 on loopback', MD5, '127.0.0.1', {}],
  ])('gets no password %s, without TLS', async (_how, asked, address, changes) => {
    const { ask, sent } = await against(asking(asked), changes, address);
    const error = await failureOf(ask());
    expect(error).toMatchObject({ code: 'ERR_PROVIDER_MALFORMED', reason: 'weak_authentication' });
    expect(error.detail).toMatch(/allowCleartextPassword: true/);
    expect(sent()).not.toContain(PASSWORD);
    expect(sent()).not.toContain('md5');
    expect(sent()).toContain('broker');
  });

  it('gets the password on loopback if the configuration allows it, and never elsewhere (B11)', async () => {
    const allowing = { allowCleartextPassword: true, limits: { timeoutMs: 500, maxRetries: 0 } };
    const { ask, sent } = await against(asking(CLEAR), allowing);
    await failureOf(ask());
    expect(sent()).toContain(PASSWORD);
    await expect(against(asking(CLEAR), { ...allowing, tls: 'off' }, '127.0.0.2')).rejects.toThrow(
      /for a loopback address without TLS/,
    );
  });

  it('gets no byte before TLS on another host', async () => {
    const { ask, sent } = await against((socket) => socket.write('N'), {}, '127.0.0.2');
    expect(await failureOf(ask())).toMatchObject({
      code: 'ERR_PROVIDER_UNAVAILABLE',
      reason: 'tls',
    });
    expect(sent()).not.toContain('broker');
  });

  it('cannot inject text before TLS begins', async () => {
    const early = Buffer.concat([Buffer.from('S'), AUTHENTICATED, READY]);
    const { ask, sent } = await against((socket) => socket.write(early), {}, '127.0.0.2');
    expect(await failureOf(ask())).toMatchObject({
      code: 'ERR_PROVIDER_UNAVAILABLE',
      reason: 'tls',
    });
    expect(sent()).not.toContain('broker');
  });

  it('is refused when it breaks off the SCRAM proof of the password', async () => {
    const mechanisms = Buffer.concat([int32(10), text('SCRAM-SHA-256'), Buffer.from([0])]);
    const { ask } = await against((socket, _chunk, before) => {
      if (before === 0) socket.write(message('R', mechanisms));
      else socket.write(Buffer.concat([AUTHENTICATED, READY]));
    });
    const error = await failureOf(ask());
    expect(error).toMatchObject({ code: 'ERR_PROVIDER_MALFORMED', reason: 'server_unproven' });
  });

  it('cannot force two billion hash iterations', async () => {
    const mechanisms = Buffer.concat([int32(10), text('SCRAM-SHA-256'), Buffer.from([0])]);
    const { ask } = await against((socket, chunk, before) => {
      if (before === 0) socket.write(message('R', mechanisms));
      else {
        const nonce = /r=([^,\0]+)/.exec(chunk.toString('latin1'))?.[1] ?? '';
        const first = `r=${nonce}more,s=c2FsdA==,i=2147483647`;
        socket.write(message('R', Buffer.concat([int32(11), Buffer.from(first)])));
      }
    });
    expect((await failureOf(ask())).code).toBe('ERR_PROVIDER_MALFORMED');
  });

  it('cannot fill the memory with a row of a gigabyte', async () => {
    const { ask } = await against(
      answering((socket) => {
        const head = Buffer.concat([Buffer.from('D'), int32(2 ** 30)]);
        socket.write(head);
        const chunk = Buffer.alloc(65_536);
        const pour = (): void => {
          while (!socket.destroyed && socket.write(chunk));
        };
        socket.on('drain', pour);
        pour();
      }),
    );
    expect(await failureOf(ask())).toMatchObject({
      code: 'ERR_PROVIDER_MALFORMED',
      reason: 'too_large',
    });
  });

  it('cannot name columns so that a value is not text', async () => {
    const column = (name: string, type: number) =>
      Buffer.concat([
        text(name),
        int32(0),
        Buffer.from([0, 0]),
        int32(type),
        Buffer.from([255, 255]),
        int32(-1),
        Buffer.from([0, 0]),
      ]);
    const names = ['__proto__', 'constructor', 'toString'];
    const described = message(
      'T',
      Buffer.concat([Buffer.from([0, 3]), ...names.map((name) => column(name, 114))]),
    );
    const value = Buffer.from('{"polluted":true}');
    const cells = names.map(() => Buffer.concat([int32(value.length), value]));
    const row = message('D', Buffer.concat([Buffer.from([0, 3]), ...cells]));
    const { ask } = await against(
      answering((socket) =>
        socket.write(
          Buffer.concat([
            message('1'),
            message('2'),
            described,
            row,
            message('C', text('SELECT 1')),
            READY,
          ]),
        ),
      ),
    );
    expect(await ask()).toEqual([names.map(() => value.toString())]);
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });

  it.each([
    ['a message shorter than its head', Buffer.from([0x54, 0, 0, 0, 0])],
    ['a row without a description', message('D', Buffer.from([0, 1, 0, 0, 0, 1, 65]))],
    ['a description that ends early', message('T', Buffer.from([0]))],
    ['an unknown message', message('!')],
    ['an answer of another protocol', Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n')],
  ])('ends its own connection with %s, and not the process', async (_what, bytes) => {
    const { ask } = await against(answering((socket) => socket.end(bytes)));
    expect((await failureOf(ask())).code).toMatch(
      /^ERR_PROVIDER_(?:MALFORMED|UNAVAILABLE|FAILED)$/,
    );
    const { ask: atOnce } = await against((socket) => socket.end(bytes));
    expect((await failureOf(atOnce())).code).toMatch(
      /^ERR_PROVIDER_(?:MALFORMED|UNAVAILABLE|FAILED)$/,
    );
  });

  it.each([
    ['28P01', 'ERR_PROVIDER_DENIED'],
    ['42501', 'ERR_PROVIDER_DENIED'],
    ['53300', 'ERR_PROVIDER_UNAVAILABLE'],
    ['57014', 'ERR_PROVIDER_TIMEOUT'],
    ['42601', 'ERR_PROVIDER_FAILED'],
    [PASSWORD, 'ERR_PROVIDER_FAILED'],
  ])('has no text repeated in an error (%s) (R05)', async (code, expected) => {
    const fields = [`SERROR`, `C${code}`, `M${PASSWORD} is wrong`, `D${PASSWORD}`, `q${PASSWORD}`];
    const body = Buffer.concat([...fields.map(text), Buffer.from([0])]);
    const { ask } = await against((socket) => socket.write(message('E', body)));
    const error = await failureOf(ask());
    expect(error.code).toBe(expected);
    expect(wholeText(error)).not.toContain(PASSWORD);
  });

  it('is disconnected at the deadline if it stays silent', async () => {
    const limits = { timeoutMs: 100, maxRetries: 0 };
    const { ask } = await against(() => undefined, { limits });
    expect((await failureOf(ask())).code).toBe('ERR_PROVIDER_TIMEOUT');
  });
});
