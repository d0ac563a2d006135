import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { generateKeyPairSync, privateDecrypt } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../../../src/process/clock.ts';
import { mysqlNativeHash } from '../../../../src/crypto/hashes/mysql-native-hash.ts';
import type { BrokerError } from '../../../../src/domain/errors.ts';
import { Sensitive } from '../../../../src/domain/secrets/sensitive.ts';
import { passwordClause } from '../../../../src/providers/mysql/client/account.ts';
import type { MysqlSession } from '../../../../src/providers/mysql/client/session.ts';
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
    changes: object = {},
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
      ...changes,
    });
    return connectMysql(config, { clock: systemClock, connection: 'backend' });
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

  /** Asks for the second round of the method, with its own key. */
  const askingByItsKey = (publicKey: string) => (socket: Socket, count: number) => {
    if (count === 0) socket.write(GREETING);
    if (count === 1)
      socket.write(packet(2, bytes(0xfe), 'caching_sha2_password\0saltsaltsaltsaltsalt\0'));
    if (count === 2) socket.write(packet(4, bytes(1, 4)));
    if (count === 3) socket.write(packet(6, bytes(1), publicKey));
    if (count === 4) socket.end(packet(8, bytes(0xff, 0x15, 0x04), '#28000 no'));
  };
  const rsa = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });

  it('gets no password under its own key (B11)', async () => {
    const mysql = await reach(askingByItsKey(rsa.publicKey));
    const error = await failure(mysql);
    expect(error).toMatchObject({ code: 'ERR_PROVIDER_DENIED', reason: 'login_method' });
    expect(error.detail).toMatch(/allowCleartextPassword: true/);
    // Two answers: the handshake and the proof of the first round.
    expect(server.received().length).toBeLessThan(300);
  });

  it('gets the password under its own key on loopback if the configuration allows it', async () => {
    const mysql = await reach(askingByItsKey(rsa.publicKey), undefined, {
      allowCleartextPassword: true,
    });
    expect(await failure(mysql)).toMatchObject({ reason: 'login_refused' });
    const encrypted = server.received().subarray(-256);
    const masked = privateDecrypt({ key: rsa.privateKey, oaepHash: 'sha1' }, encrypted);
    const salt = Buffer.from('saltsaltsaltsaltsalt');
    expect(Buffer.from(masked.map((byte, at) => byte ^ (salt[at % 20] ?? 0))).toString()).toBe(
      `${PASSWORD}\0`,
    );
  });

  it.each([
    [
      'MySQL without TLS',
      '8.4.0',
      false,
      /^refused cleartext_password .*allowCleartextPassword: true/,
    ],
    ['MySQL over TLS, or if allowed', '8.4.0', true, /^IDENTIFIED BY 'canary/],
    [
      'MariaDB without TLS',
      '11.4.2-MariaDB',
      false,
      /^IDENTIFIED VIA mysql_native_password USING '\*[0-9A-F]{40}'$/,
    ],
  ])(
    'gets a new password as its hash or not at all: %s',
    async (_what, version, maySendPassword, expected) => {
      server = await startHostileServer(() => undefined);
      const session = { maySendPassword, ask: () => Promise.resolve([[version]]) };
      const clause = await passwordClause(
        session as unknown as MysqlSession,
        new Sensitive(PASSWORD),
        mysqlNativeHash,
      ).catch((error: unknown) => {
        const { reason, detail } = error as BrokerError;
        return `refused ${reason} ${detail}`;
      });
      expect(clause).toMatch(expected);
      if (!maySendPassword) expect(clause).not.toContain(PASSWORD);
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
