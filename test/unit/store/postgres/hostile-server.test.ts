import { afterEach, describe, expect, it } from '@jest/globals';
import type { Socket } from 'node:net';
import { systemClock } from '../../../../src/process/clock.ts';
import { openPostgresStore } from '../../../../src/store/postgres/open-postgres-store.ts';
import { failureOf } from '../../../contract/secret-provider.contract.ts';
import { FakeAuditChain } from '../../../kit/fakes/fake-audit-chain.ts';
import {
  AUTHENTICATED,
  HostilePostgres,
  int32,
  message,
  READY,
  text,
} from '../../../kit/fakes/hostile-postgres.ts';

const PASSWORD = 'canary-51fe-password';

describe("a hostile server at the address of the broker's own database", () => {
  const open: HostilePostgres[] = [];
  afterEach(async () => {
    for (const server of open.splice(0)) await server.close();
  });

  type Answer = (socket: Socket, chunk: Buffer, before: number) => void;
  const against = async (answer: Answer, query = '', address = '127.0.0.1') => {
    const server = new HostilePostgres(answer);
    open.push(server);
    const port = await server.listen(address);
    const connectionString = `postgres://broker:${PASSWORD}@${address}:${port}/store${query}`;
    const error = await failureOf(
      openPostgresStore(
        { connectionString, poolSize: 1 },
        { chain: new FakeAuditChain(), clock: systemClock, mode: 'development' },
      ),
    );
    return { error, sent: Buffer.concat(server.received).toString('latin1') };
  };
  const asking =
    (asked: Buffer): Answer =>
    (socket) =>
      socket.write(message('R', asked));
  const [CLEAR, MD5] = [int32(3), Buffer.concat([int32(5), Buffer.from('salt')])];

  it.each([
    ['in the clear on loopback', CLEAR, '127.0.0.1'],
    ['as MD5 on loopback', MD5, '127.0.0.1'],
    ['in the clear from another host', CLEAR, '127.0.0.2'],
    ['as MD5 from another host', MD5, '127.0.0.2'],
  ])('gets no password %s, without TLS', async (_how, asked, address) => {
    const { error, sent } = await against(asking(asked), '', address);
    expect(error).toMatchObject({ code: 'ERR_STORE_UNAVAILABLE' });
    expect(error.detail).toMatch(/scram-sha-256, or set sslmode=verify-full/);
    expect(sent).toContain('broker');
    expect(sent).not.toContain(PASSWORD);
    expect(sent).not.toContain('md5');
  });

  it('is refused when it breaks off the SCRAM proof of the password', async () => {
    const scram = message('R', Buffer.concat([int32(10), text('SCRAM-SHA-256'), Buffer.from([0])]));
    const { error } = await against((socket, _chunk, before) => {
      socket.write(before === 0 ? scram : Buffer.concat([AUTHENTICATED, READY]));
    });
    expect(error.detail).toMatch(/does not prove that it knows the password/);
  });

  it.each([
    ['an error without its final zero', message('E', Buffer.from('S'))],
    ['a message of a gigabyte', Buffer.concat([Buffer.from('D'), int32(2 ** 30)])],
    ['a message shorter than its head', Buffer.from([0x54, 0, 0, 0, 0])],
    ['a description that ends early', message('T', Buffer.from([0]))],
    ['a row that says it is longer', message('D', Buffer.from([0, 1, 0, 0, 0, 9, 65]))],
    ['an unknown message', message('!')],
  ])('ends its own connection with %s, and does not occupy the process', async (_what, bytes) => {
    const { error } = await against((socket) => socket.write(bytes));
    expect(error).toMatchObject({ code: 'ERR_PROVIDER_MALFORMED' });
  });
});
