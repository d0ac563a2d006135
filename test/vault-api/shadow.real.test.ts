import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { RunningApi } from '../kit/api/running-api.ts';
import { vaultCall, type VaultAnswer, type VaultCall } from '../kit/api/vault-call.ts';
import { describeWith } from '../kit/backends/backends.ts';
import { installedProgram } from '../kit/backends/cache.ts';
import { createToken, mountEngine } from '../kit/backends/openbao-calls.ts';
import { OPENBAO } from '../kit/backends/recipes.ts';
import { storedEntries } from '../kit/store/store-diff.ts';

const MOUNTS = { secret: { engine: 'kv-v2', prefix: 'app' } };
const THEIR_TOKEN = 's.AAAAAAAAAAAAAAAAAAAAAAAA';

let directory: string;
let tokenFile: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'qm-shadow-'));
  tokenFile = join(directory, 'token');
  await writeFile(tokenFile, 's.theTokenOfTheConnection', { mode: 0o600 });
});

afterAll(async () => {
  await rm(directory, { recursive: true });
});

async function startWith(address: string, more: object = {}): Promise<RunningApi> {
  const auth = { method: 'token', tokenFile };
  const connection = { type: 'vault', address, auth, locators: ['unused/**'], ...more };
  const vaultApi = { mounts: MOUNTS, auth: { kubernetes: { cluster: 'c1' } }, shadow: 'old' };
  const refusals = { entriesPerWindow: 1_000 };
  const api = await RunningApi.start({ connections: { old: connection }, vaultApi, refusals });
  await api.seed();
  return api;
}

async function shadowEntries(api: RunningApi): Promise<readonly Record<string, unknown>[]> {
  const entries = await storedEntries(api.broker.parts.store);
  return entries.filter(({ action }) => action === 'shadow.read');
}

describeWith(['openbao'], 'reads of the old server', ({ openbao }) => {
  let api: RunningApi;
  let mount: string;
  let token: string;

  beforeAll(async () => {
    api = await startWith(openbao.address);
    mount = await mountEngine(openbao, 'kv', { options: { version: '2' } });
    const all = 'capabilities = ["create", "read", "update", "delete", "list"]';
    token = await createToken(openbao, `path "${mount}/*" { ${all} }`, {
      no_default_policy: false,
    });
  });

  afterAll(() => api.stop());

  async function bao(at: string, words: readonly string[]): Promise<unknown> {
    const child = spawn(installedProgram(OPENBAO), [...words], {
      env: { HOME: directory, BAO_ADDR: at, BAO_TOKEN: token, BAO_MAX_RETRIES: '0' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let out = '';
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    child.stderr.resume();
    const [code] = (await once(child, 'close')) as [number | null];
    return { code, out };
  }

  it('gives a client with a token of that server what that server gives it', async () => {
    await bao(openbao.address, ['kv', 'put', `${mount}/a/b`, 'k=v']);
    await bao(openbao.address, ['kv', 'put', `${mount}/gone`, 'k=v']);
    await bao(openbao.address, ['kv', 'delete', `${mount}/gone`]);
    for (const words of [
      ['kv', 'get', '-field=k', `${mount}/a/b`],
      ['kv', 'get', `${mount}/a/b`],
      ['kv', 'get', '-version=1', '-field=k', `${mount}/a/b`],
      ['kv', 'get', `${mount}/gone`],
      ['kv', 'list', mount],
      ['kv', 'metadata', 'get', '-field=current_version', `${mount}/a/b`],
    ]) {
      const expected = await bao(openbao.address, words);
      expect(await bao(`http://127.0.0.1:${api.vaultPort}`, words)).toEqual(expected);
    }
  });

  it('records each read with its path, and refuses what that server refuses', async () => {
    const { headers } = await vaultCall(api.vaultPort, 'GET', `${mount}/data/a/b?version=1`, {
      token,
    });
    const denied = await vaultCall(api.vaultPort, 'GET', 'other/data/a', { token });
    expect(denied.status).toBe(403);
    expect(JSON.stringify(denied.body)).toContain('permission denied');
    const entries = await shadowEntries(api);
    const of = (answer: Headers): unknown =>
      entries.find(({ requestId }) => requestId === answer.get('x-request-id'));
    expect(of(headers)).toMatchObject({
      outcome: 'ok',
      query: `${mount}/data/a/b?version=1`,
      actor: { kind: 'unauthenticated' },
      client: { face: 'vault' },
    });
    expect(of(denied.headers)).toMatchObject({
      outcome: 'error',
      code: 'ERR_PROVIDER_DENIED',
      query: 'other/data/a',
    });
    expect(JSON.stringify(entries)).not.toContain(token);
  });
});

describe('requests that the broker keeps from the old server', () => {
  let old: Server;
  let api: RunningApi;
  let session: string;
  const requests: { readonly line: string; readonly token: unknown }[] = [];
  let answer = (response: ServerResponse): void => {
    response.setHeader('content-type', 'application/json').end('{"data":{"k":"theirs"}}');
  };
  const usual = answer;

  beforeAll(async () => {
    old = createServer((request, response) => {
      const token = request.headers['x-vault-token'];
      requests.push({ line: `${request.method ?? ''} ${request.url ?? ''}`, token });
      answer(response);
    });
    await new Promise<void>((resolve) => old.listen(0, '127.0.0.1', resolve));
    const { port } = old.address() as AddressInfo;
    api = await startWith(`http://127.0.0.1:${port}`, { limits: { timeoutMs: 500 } });
    session = await api.logIn();
  });

  afterAll(async () => {
    await api.stop();
    old.closeAllConnections();
    await new Promise((resolve) => old.close(resolve));
  });

  function call(method: string, path: string, options: VaultCall = {}): Promise<VaultAnswer> {
    return vaultCall(api.vaultPort, method, path, { token: THEIR_TOKEN, ...options });
  }

  /** The requests that arrive at the old server during some work. */
  async function arriving(work: () => Promise<unknown>): Promise<typeof requests> {
    const before = requests.length;
    await work();
    return requests.slice(before);
  }

  it('gets a read with the token of its caller and nothing else', async () => {
    const seen = await arriving(async () => {
      const { status, body } = await call('GET', 'kv/data/x%40y?version=2&other=z');
      expect([status, body]).toEqual([200, { data: { k: 'theirs' } }]);
    });
    expect(seen).toEqual([{ line: 'GET /v1/kv/data/x%40y?version=2', token: THEIR_TOKEN }]);
    expect(await arriving(() => call('GET', 'kv/metadata/?list=true'))).toEqual([
      { line: 'GET /v1/kv/metadata?list=true', token: THEIR_TOKEN },
    ]);
    expect(await arriving(() => call('GET', 'sys/internal/ui/mounts/kv/x'))).toEqual([
      { line: 'GET /v1/sys/internal/ui/mounts/kv/x', token: THEIR_TOKEN },
    ]);
  });

  it('gets no token of this broker, of a cluster, or of an unknown form', async () => {
    const wrap = await call('PUT', 'sys/wrapping/wrap', {
      token: session,
      body: { k: 'v' },
      headers: { 'X-Vault-Wrap-TTL': '60' },
    });
    const ours = [
      session,
      api.admin,
      wrap.body.wrap_info.token as string,
      api.serviceAccountToken(),
      'root',
      '',
      `s.${session}\u00e9`,
      `x${THEIR_TOKEN}`,
    ];
    for (const token of ours) {
      const seen = await arriving(async () => {
        const { status } = await call('GET', 'kv/data/x', { token });
        expect([400, 403, 404]).toContain(status);
      });
      expect(seen).toEqual([]);
    }
  });

  it('gets no write, no login, no path of the server itself, and no path of a mount', async () => {
    const seen = await arriving(async () => {
      for (const [method, path] of [
        ['PUT', 'kv/data/x'],
        ['POST', 'kv/data/x'],
        ['PATCH', 'kv/data/x'],
        ['DELETE', 'kv/data/x'],
        ['PUT', 'auth/approle/login'],
        ['GET', 'auth/token/lookup-self'],
        ['GET', 'sys/mounts'],
        ['GET', 'sys/internal/ui/mounts'],
        ['GET', 'sys/internal/ui/mounts/sys/x'],
        ['GET', 'sys/internal/ui/mounts/secret/x'],
        ['GET', 'cubbyhole/response'],
        ['GET', 'identity/entity/id/x'],
        ['GET', 'secret/data/x'],
        ['GET', 'secret/x'],
        ['GET', `kv/${'x'.repeat(1_100)}`],
        ['GET', 'kv/data/x%2F..%2Fy'],
      ] as const) {
        const body = method === 'GET' || method === 'DELETE' ? {} : { body: {} };
        const { status } = await call(method, path, body);
        expect(status).toBeGreaterThanOrEqual(400);
      }
      await call('GET', 'kv/data/x', { headers: { 'X-Vault-Wrap-TTL': '60' } });
      await call('GET', 'kv/data/x', { headers: { 'X-Vault-Namespace': 'other' } });
    });
    expect(seen).toEqual([]);
  });

  it.each<[string, (response: ServerResponse) => void]>([
    ['never ends', () => undefined],
    ['is larger than 1 MiB', (response) => void response.end('x'.repeat(1_200_000))],
    [
      'leads elsewhere',
      (response) => void response.writeHead(307, { location: 'http://127.0.0.1:1/' }).end(),
    ],
    ['is a failure', (response) => void response.writeHead(500).end('{"errors":["a secret"]}')],
  ])('passes on no answer that %s', async (_what, misbehave) => {
    answer = misbehave;
    const { status, body } = await call('GET', 'kv/data/x');
    answer = usual;
    expect(status).toBeGreaterThanOrEqual(500);
    expect(JSON.stringify(body)).not.toContain('a secret');
    const last = (await shadowEntries(api)).at(-1);
    expect(last).toMatchObject({ outcome: 'error', query: 'kv/data/x' });
  });

  it('answers nothing without an entry', async () => {
    const { store } = api.broker.parts;
    const original = store.commit.bind(store);
    store.commit = () => Promise.reject(new Error('the disk is full'));
    const { status, body } = await call('GET', 'kv/data/x').finally(() => {
      store.commit = original;
    });
    expect(status).toBeGreaterThanOrEqual(500);
    expect(JSON.stringify(body)).not.toContain('theirs');
  });
});

describe('the configuration of the old server', () => {
  it('names a connection of type vault', async () => {
    const start = RunningApi.start({ vaultApi: { mounts: MOUNTS, shadow: 'keys' } });
    await expect(start).rejects.toThrow('is not the name of a connection of type vault');
  });
});
