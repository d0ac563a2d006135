import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../../../src/process/clock.ts';
import { Sensitive } from '../../../../src/domain/secrets/sensitive.ts';
import { connectMysql, type MysqlServer } from '../../../../src/providers/mysql/client/server.ts';
import { mysqlConnectionSchema } from '../../../../src/providers/mysql/config.ts';
import { wholeText } from '../../../contract/rotation-target.contract.ts';
import { contextOf, failureOf } from '../../../contract/secret-provider.contract.ts';
import { type HostileServer, startHostileServer } from '../../../kit/fakes/hostile-server.ts';
import { PATIENT } from '../../../kit/providers/longest-timeout.ts';

const PASSWORD = 'canary-password-of-the-login';

/** A packet of the client/server protocol (MySQL, "MySQL Packets"). */
function packet(sequence: number, ...parts: readonly (Buffer | string)[]): Buffer {
  const body = Buffer.concat(parts.map((part) => Buffer.from(part)));
  const head = Buffer.from([body.length & 0xff, body.length >> 8, 0, sequence]);
  return Buffer.concat([head, body]);
}

const bytes = (...values: readonly number[]): Buffer => Buffer.from(values);
/** HandshakeV10 without TLS: PROTOCOL_41, SECURE_CONNECTION, LOCAL_FILES, PLUGIN_AUTH. */
const GREETING = packet(
  0,
  '\x0a8.0.40\0',
  bytes(1, 0, 0, 0),
  'saltsalt\0',
  bytes(0x80, 0x82, 45, 2, 0, 8, 0, 21),
  Buffer.alloc(10),
  'saltsaltsalt\0mysql_native_password\0',
);
const OK = bytes(0, 0, 0, 2, 0, 0, 0);

describe('a hostile MySQL server (R05)', () => {
  let directory: string;
  let server: HostileServer;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'quaymaster-hostile-mysql-'));
    await writeFile(join(directory, 'password'), PASSWORD);
  });
  afterEach(() => server.close());
  afterAll(() => rm(directory, { recursive: true }));

  const reach = async (
    answer: (socket: Socket, count: number) => void,
    tls?: object,
  ): Promise<MysqlServer> => {
    server = await startHostileServer(answer);
    const config = mysqlConnectionSchema.parse({
      type: 'mysql',
      host: '127.0.0.1',
      port: server.port,
      username: 'admin',
      passwordFile: join(directory, 'password'),
      locators: ['users/*'],
      limits: { ...PATIENT, maxRetries: 0 },
      ...(tls !== undefined && { tls }),
    });
    return connectMysql(config, { clock: systemClock });
  };
  const failure = async (mysql: MysqlServer) => {
    const login = { username: 'app', password: new Sensitive(PASSWORD) };
    const error = await failureOf(
      mysql.logIn(login, contextOf(), (session) => session.ask('SELECT 1')),
    );
    expect(wholeText(error)).not.toContain('canary');
    return error;
  };

  it.each(['mysql_clear_password', 'sha256_password'])(
    'does not get the plain password that it requests by %s',
    async (method) => {
      const mysql = await reach((socket, count) => {
        if (count === 0) socket.write(GREETING);
        if (count === 1) socket.write(packet(2, bytes(0xfe), `${method}\0salt\0`));
      });
      expect(await failure(mysql)).toMatchObject({
        code: 'ERR_PROVIDER_DENIED',
        reason: 'login_method',
      });
      expect(server.received().toString('latin1')).not.toContain(PASSWORD);
    },
  );

  it('gets no login without TLS if TLS is required', async () => {
    const mysql = await reach(
      (socket, count) => {
        if (count === 0) socket.write(GREETING);
      },
      { serverName: 'db.example' },
    );
    expect(await failure(mysql)).toMatchObject({ code: 'ERR_PROVIDER_UNAVAILABLE', reason: 'tls' });
    expect(server.received()).toHaveLength(0);
  });

  it('does not get a local file that it requests', async () => {
    const mysql = await reach((socket, count) => {
      if (count === 0) socket.write(GREETING);
      if (count === 1) socket.write(packet(2, OK));
      if (count === 2) {
        socket.write(packet(1, bytes(0xfb), join(directory, 'password')));
        // Time in which a client that answers would send the file.
        setTimeout(() => socket.destroy(), 1_000);
      }
    });
    expect((await failure(mysql)).code).toMatch(/^ERR_PROVIDER_/);
    expect(server.received().toString('latin1')).toContain('SELECT 1');
    expect(server.received().toString('latin1')).not.toContain(PASSWORD);
  });

  it('is disconnected if it never stops sending', async () => {
    const mysql = await reach((socket, count) => {
      if (count === 0) socket.write(GREETING);
      if (count === 1) socket.write(packet(2, OK));
      if (count === 2) {
        socket.write(bytes(0xff, 0xff, 0xff, 1));
        for (let sent = 0; sent < 64; sent += 1) socket.write(Buffer.alloc(65_536));
      }
    });
    expect(await failure(mysql)).toMatchObject({
      code: 'ERR_PROVIDER_MALFORMED',
      reason: 'too_large',
    });
  });

  it('ends the call at once if it closes the connection after malformed rows', async () => {
    const rows = [
      '01000001',
      '01',
      '17000002',
      '036465660000000131000c3f000100000008810000000005000003',
      'f911ad334b0000020002000004',
      '0131',
      '05000005',
      'fe00000200',
    ];
    const mysql = await reach((socket, count) => {
      if (count === 0) socket.write(GREETING);
      if (count === 1) socket.write(packet(2, OK));
      if (count === 2) socket.end(Buffer.from(rows.join(''), 'hex'));
    });
    expect(await failure(mysql)).toMatchObject({
      code: 'ERR_PROVIDER_UNAVAILABLE',
      reason: 'network',
    });
  });

  it('has no text kept if it repeats the password in its error', async () => {
    const mysql = await reach((socket, count) => {
      if (count === 0) socket.write(GREETING);
      if (count === 1) socket.write(packet(2, bytes(0xff, 0x15, 0x04), `#28000 no: ${PASSWORD}`));
    });
    expect(await failure(mysql)).toMatchObject({
      code: 'ERR_PROVIDER_DENIED',
      reason: 'login_refused',
    });
  });

  it('ends only its own connection with an invalid greeting', async () => {
    const mysql = await reach((socket, count) => {
      if (count === 0) socket.end('SSH-2.0-OpenSSH_9.2\r\n'.repeat(20));
    });
    expect((await failure(mysql)).code).toMatch(/^ERR_PROVIDER_/);
  });
});
