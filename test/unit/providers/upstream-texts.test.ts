import { Writable } from 'node:stream';
import { afterEach, describe, expect, it } from '@jest/globals';
import { systemClock } from '../../../src/process/clock.ts';
import { readWatchEvent } from '../../../src/auth/watch/watch-event.ts';
import { Sensitive } from '../../../src/domain/secrets/sensitive.ts';
import { createLog } from '../../../src/process/log.ts';
import { connectKubernetes } from '../../../src/providers/kubernetes/client/client.ts';
import { redisConnectionSchema } from '../../../src/providers/redis/config.ts';
import { RedisServer } from '../../../src/providers/redis/client.ts';
import { wholeText } from '../../contract/rotation-target.contract.ts';
import { contextOf, failureOf } from '../../contract/secret-provider.contract.ts';
import { FakeApiServer } from '../../kit/fakes/fake-api-server.ts';
import { FakeAws } from '../../kit/fakes/fake-aws.ts';
import { FakeVault } from '../../kit/fakes/fake-vault.ts';
import { startHostileServer } from '../../kit/fakes/hostile-server.ts';
import { answer } from '../../kit/fakes/server-faults.ts';
import { CertificateAuthority } from '../../kit/network/certificates.ts';
import { VaultConnections } from '../../kit/providers/vault-connections.ts';
import { connect, setCredentials } from '../../kit/aws/aws-connection.ts';

const CANARY = 'CANARY';
const STATUSES = [200, 201, 302, 400, 401, 403, 404, 409, 412, 429, 472, 500, 503, 504];
const closing: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** All fields of a failure, and its text in the log. */
function texts(error: unknown): string {
  const lines: string[] = [];
  const destination = new Writable({
    write(chunk: Buffer, _encoding, done) {
      lines.push(chunk.toString());
      done();
    },
  });
  createLog({ level: 'info', clock: systemClock, destination }).error({ err: error }, 'failed');
  return `${lines.join('')}\n${wholeText(error)}`;
}

const get = { method: 'GET', path: 'secret/data/db' } as const;

describe('the text of a hostile server', () => {
  it.each(STATUSES)(
    'reaches no error and no log line from Vault, with status %i (B05)',
    async (status) => {
      const vault = await FakeVault.start();
      const connections = await VaultConnections.create();
      closing.push(
        () => vault.close(),
        () => connections.close(),
      );
      const { client } = await connections.connect(vault.address, 's.broker');
      for (const said of [
        'permission denied: CANARY',
        'CANARY no handler for route CANARY',
        CANARY,
      ]) {
        vault.fault = (_request, response) => {
          const headers = { 'content-type': CANARY, 'retry-after': CANARY, 'x-vault-id': CANARY };
          response.writeHead(status, CANARY, headers);
          response.end(JSON.stringify({ errors: [said, said], request_id: said, [said]: said }));
          return 'handled';
        };
        const error = await failureOf(client.read(get, contextOf()));
        expect(texts(error)).not.toContain(CANARY);
      }
    },
  );

  it('reaches no error and no log line from Vault, in its certificate (B05)', async () => {
    const authority = new CertificateAuthority();
    const names = { commonName: CANARY, dnsNames: ['CANARY.example'] };
    const vault = await FakeVault.start(authority.issue(names));
    const connections = await VaultConnections.create();
    closing.push(
      () => vault.close(),
      () => connections.close(),
    );
    const caFile = await connections.file(authority.cert);
    const { client } = await connections.connect(vault.address, 's.broker', { caFile });
    const error = await failureOf(client.read(get, contextOf()));
    expect(error).toMatchObject({ code: 'ERR_PROVIDER_UNAVAILABLE', reason: 'tls' });
    expect(texts(error)).not.toContain(CANARY);
    expect(texts(error)).toContain('ERR_TLS_CERT_ALTNAME_INVALID');
  });

  it.each(STATUSES)(
    'reaches no error and no log line from AWS, with status %i (B05)',
    async (status) => {
      setCredentials();
      const aws = await FakeAws.start();
      closing.push(() => aws.close());
      const connection = await connect(aws.endpoint);
      closing.push(() => connection.close());
      const provider = connection.mount({});
      for (const name of ['CANARYException', 'ValidationException', `x#${CANARY}`]) {
        const body = JSON.stringify({
          __type: name,
          message: CANARY,
          Message: CANARY,
          code: CANARY,
        });
        aws.always({ status, body });
        const error = await failureOf(provider.read(provider.locate('db'), undefined, contextOf()));
        expect(texts(error)).not.toContain(CANARY);
      }
    },
  );

  it.each(STATUSES.filter((status) => status > 201))(
    'reaches no error and no log line from a Kubernetes API server, with status %i (B05)',
    async (status) => {
      const fake = await FakeApiServer.start();
      closing.push(() => fake.close());
      const api = await connectKubernetes(fake.access);
      closing.push(() => api.close());
      const said = { kind: CANARY, reason: CANARY, message: CANARY, details: { name: CANARY } };
      fake.script('list', answer(status, said, { 'retry-after': CANARY, warning: CANARY }));
      const call = api.call({ method: 'GET', path: ['api', 'v1', 'pods'] }, contextOf().signal);
      expect(texts(await failureOf(call))).not.toContain(CANARY);
    },
  );

  it('reaches no error and no log line from a Kubernetes API server, in its certificate and in an event of a watch', async () => {
    const fake = await FakeApiServer.start({ commonName: CANARY, dnsNames: ['CANARY.example'] });
    closing.push(() => fake.close());
    const api = await connectKubernetes(fake.access);
    closing.push(() => api.close());
    const call = api.call({ method: 'GET', path: ['api', 'v1', 'pods'] }, contextOf().signal);
    expect(texts(await failureOf(call))).not.toContain(CANARY);
    const status = { code: CANARY, reason: CANARY, message: CANARY };
    for (const object of [status, { ...status, code: 1e300 }, { ...status, code: 410 }]) {
      const read = async () => Promise.resolve(readWatchEvent({ type: 'ERROR', object }));
      const error = await failureOf(read());
      expect(error.reason).toMatch(/^(?:error_event|http_410)$/);
      expect(texts(error)).not.toContain(CANARY);
    }
  });

  it.each([`-${CANARY} said`, `-ERR ${CANARY}`, `-WRONGPASS ${CANARY}`, `+${CANARY}`, `$6`])(
    'reaches no error and no log line from Redis: %s',
    async (line) => {
      const server = await startHostileServer((socket, count) => {
        if (count > 0) socket.write(`${line}\r\n${CANARY}\r\n`);
      });
      closing.push(() => server.close());
      const config = redisConnectionSchema.parse({
        type: 'redis',
        allowCleartextPassword: true,
        host: '127.0.0.1',
        port: server.port,
        username: 'admin',
        passwordFile: '/nowhere',
        locators: ['users/*'],
        limits: { maxRetries: 0, timeoutMs: 1_000 },
      });
      const redis = new RedisServer(config, { clock: systemClock, connection: 'backend' });
      const login = { username: 'app', password: new Sensitive('password') };
      const outcome = await redis.logIn(login, contextOf()).then(
        () => undefined,
        (error: unknown) => error,
      );
      expect(texts(outcome)).not.toContain(CANARY);
    },
  );

  it('reaches no error and no log line from the server of the store, in the log (B05)', () => {
    const said = Object.assign(new Error(`invalid input: "${CANARY}"`), {
      severity: 'ERROR',
      code: '22P02',
      detail: CANARY,
      hint: CANARY,
    });
    const lines: string[] = [];
    const destination = { write: (line: string) => lines.push(line) };
    const log = createLog({ level: 'info', clock: systemClock, destination });
    log.error({ err: new Error('no commit', { cause: said }) }, 'failed');
    expect(lines.join()).not.toContain(CANARY);
    expect(lines.join()).toContain('22P02');
  });
});
