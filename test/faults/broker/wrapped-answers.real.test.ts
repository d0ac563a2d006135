import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describeWith } from '../../kit/backends/backends.ts';
import { startTwoBrokers } from '../../kit/broker/two-brokers.ts';
import { freePort } from '../../kit/backends/free-port.ts';
import { policy } from '../../kit/api/running-api.ts';
import { vaultCall, type VaultAnswer } from '../../kit/api/vault-call.ts';
import { boundClaims, ecKey, signedToken } from '../../kit/identity/token-factory.ts';

const ISSUER = 'https://issuer.test';
const ROUNDS = 3;

describeWith(['postgres'], 'Vault clients of two brokers on one PostgreSQL', (backends) => {
  const cleanUps: (() => Promise<unknown>)[] = [];
  const ports: number[] = [];
  let session: string;

  afterAll(async () => {
    for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
  });

  beforeAll(async () => {
    const key = ecKey('key-1');
    const directory = await mkdtemp(join(tmpdir(), 'qm-wrapped-'));
    cleanUps.push(() => rm(directory, { recursive: true }));
    const file = join(directory, 'jwks.json');
    await writeFile(file, JSON.stringify({ keys: [key.jwk] }));
    const { brokers, token, remove } = await startTwoBrokers(backends.postgres, async () => {
      const port = await freePort();
      ports.push(port);
      const vaultApi = {
        listener: { port },
        mounts: { secret: { engine: 'kv-v2', prefix: 'app' } },
        auth: { kubernetes: { cluster: 'c1' } },
      };
      return { connections: { keys: { type: 'jwks', file } }, vaultApi };
    });
    cleanUps.push(remove);
    const [first, second] = brokers;
    const put = async (path: string, body: object): Promise<void> => {
      const answer = await fetch(`${first.url}/api/v1/${path}`, {
        method: 'PUT',
        headers: {
          authorization: `Bearer ${token}`,
          'content-type': 'application/json',
          'if-none-match': '*',
        },
        body: JSON.stringify(body),
      });
      expect(answer.status).toBe(201);
    };
    const cluster = { connection: 'keys', issuer: ISSUER, audiences: ['a'], podWatch: false };
    await put('clusters/c1', cluster);
    await put('mounts/app', { prefix: 'app', connection: 'embedded' });
    await put('policies/app', policy('app', ['app/**'], ['read', 'write']));
    await put('secrets/app/b', { data: { k: 'v' } });
    await second.broker.parts.state.waitUntilCurrent();

    const jwt = signedToken(
      key,
      boundClaims({ issuer: ISSUER, audience: ['a'], issuedAt: Math.floor(Date.now() / 1_000) }),
    );
    const login = await at(0, 'auth/kubernetes/login', { body: { jwt } });
    session = login.body.auth.client_token as string;
  });

  const at = (
    index: number,
    path: string,
    use: object = {},
    method = 'PUT',
  ): Promise<VaultAnswer> => vaultCall(ports[index] ?? 0, method, path, use);

  it('read at one broker what was just written at the other, whatever X-Vault-Index says', async () => {
    const token = session;
    for (let round = 0; round < 2 * ROUNDS; round += 1) {
      const [writer, reader] = round % 2 === 0 ? [0, 1] : [1, 0];
      const data = { k: String(round) };
      const wrote = await at(writer, 'secret/data/c', { token, body: { data } });
      expect(wrote.status).toBe(200);
      const headers = { 'X-Vault-Index': 'old', 'X-Vault-Inconsistent': 'forward-active-node' };
      const read = await at(reader, 'secret/data/c', { token, headers }, 'GET');
      expect([read.status, read.body.data?.data]).toEqual([200, data]);
    }
  });

  it('open a wrapped answer at exactly one broker, and nowhere after its session has ended', async () => {
    const wrap = async (): Promise<string> => {
      const headers = { 'X-Vault-Wrap-TTL': '5m' };
      const answer = await at(0, 'secret/data/b', { token: session, headers }, 'GET');
      expect(answer.status).toBe(200);
      return answer.body.wrap_info.token as string;
    };
    const statuses = (answers: readonly VaultAnswer[]): readonly number[] =>
      answers.map(({ status }) => status).sort();
    for (let round = 0; round < ROUNDS; round += 1) {
      const wrapping = await wrap();
      const unwrap = (index: number): Promise<VaultAnswer> =>
        at(index, 'sys/wrapping/unwrap', { token: wrapping });
      const answers = await Promise.all([0, 1, 0, 1].map(unwrap));
      expect(statuses(answers)).toEqual([200, 400, 400, 400]);
      expect(answers.find(({ status }) => status === 200)?.body.data.data).toEqual({ k: 'v' });
    }

    const left = await wrap();
    expect((await at(1, 'auth/token/revoke-self', { token: session })).status).toBe(204);
    for (const index of [0, 1])
      expect((await at(index, 'sys/wrapping/unwrap', { token: left })).status).toBe(400);
  });
});
