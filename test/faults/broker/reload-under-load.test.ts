import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { Agent } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { dump } from 'js-yaml';
import { systemClock } from '../../../src/process/clock.ts';
import { ConfigReload } from '../../../src/program/broker/config-reload.ts';
import { loadConfig } from '../../../src/program/config/load.ts';
import { initialise } from '../../../src/program/installation/initialise.ts';
import { serve, type Serving } from '../../../src/program/serving/serve.ts';
import { createLog } from '../../../src/process/log.ts';
import { HANDSHAKE_MS, HTTP_BOUNDS } from '../../../src/net/listener/bounds.ts';
import { until } from '../../kit/backends/until.ts';
import { CertificateAuthority } from '../../kit/network/certificates.ts';
import { FakeVault } from '../../kit/fakes/fake-vault.ts';
import { jsonOverTls, type Answer, type Asked } from '../../kit/network/json-over-tls.ts';
import { boundClaims, ecKey, signedToken } from '../../kit/identity/token-factory.ts';

const ROUNDS = 20;
/** Answers between two reloads, so that each reload meets requests in flight. */
const ANSWERS_A_ROUND = 15;
/** The listener cuts connections that are slower, as all are on a very busy machine. Reloads would cut fast ones too. */
const SLOW_MS = Math.min(HANDSHAKE_MS, HTTP_BOUNDS.headersTimeout);
/** Limit of a test: on a very busy machine a round takes twenty seconds. */
const TEST_MS = 900_000;
const KEY = ecKey('key-1');
const HOST = '127.0.0.1';

let directory: string;
let serving: Serving;
let reload: ConfigReload;
let admin: string;
let authorities: readonly [CertificateAuthority, CertificateAuthority];
let vaults: readonly [FakeVault, FakeVault];

const at = (name: string): string => join(directory, name);

/** Replaces a file as careful tools do: no reader sees a part of it. */
async function replace(name: string, text: string): Promise<void> {
  await writeFile(at(`${name}.new`), text, { mode: 0o600 });
  await rename(at(`${name}.new`), at(name));
}

async function useCertificate(authority: CertificateAuthority, name: string): Promise<void> {
  const { cert, key } = authority.issue({ commonName: name, ipAddresses: [HOST] });
  await replace('cert.pem', cert);
  await replace('key.pem', key);
}

async function configure(more: Readonly<Record<string, unknown>> = {}): Promise<void> {
  const vault = {
    type: 'vault',
    address: vaults[0].address,
    auth: { method: 'token', tokenFile: at('vault.token') },
    locators: ['secret/data/**'],
    // A busy machine can take longer than the default for an answer.
    limits: { timeoutMs: 30_000 },
  };
  const { connections, ...settings } = more;
  const config = {
    listener: {
      host: HOST,
      port: 0,
      tls: { certificateFile: at('cert.pem'), keyFile: at('key.pem') },
    },
    store: { type: 'sqlite', path: at('store/quaymaster.db') },
    kek: { type: 'local-file', path: at('keys/kek') },
    audit: {
      origin: 'quaymaster.test/reload',
      logKeyFile: at('keys/log.pem'),
      checkpointFile: at('keys/checkpoint'),
    },
    connections: {
      keys: { type: 'jwks', file: at('jwks.json') },
      vault: { ...vault, ...(connections as object | undefined) },
    },
    ...settings,
  };
  await replace('config.yaml', dump(config));
}

function call(agent: Agent, method: string, path: string, asked: Asked = {}): Promise<Answer> {
  const headers = method === 'PUT' ? { 'if-none-match': '*' } : {};
  const to = [method, `${serving.url}/api/v1${path}`] as const;
  return jsonOverTls(agent, to, { ...asked, headers });
}

function newAgent(keepAlive: boolean): Agent {
  // A test of reloads, not of trust: both authorities count at all times.
  return new Agent({ keepAlive, ca: authorities.map(({ cert }) => cert), maxSockets: 4 });
}

function podToken(pod: string): string {
  const issuedAt = Math.floor(Date.now() / 1000) - 1;
  const claims = { issuer: 'https://issuer.test', audience: ['quaymaster'], issuedAt };
  return signedToken(KEY, boundClaims({ ...claims, pod: { name: pod, uid: `uid-of-${pod}` } }));
}

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'quaymaster-reload-'));
  authorities = [new CertificateAuthority('first'), new CertificateAuthority('second')];
  vaults = [await FakeVault.start(), await FakeVault.start()];
  for (const vault of vaults) vault.put('secret', 'db', { password: 's3cret' });
  await writeFile(at('jwks.json'), JSON.stringify({ keys: [KEY.jwk] }));
  await writeFile(at('vault.token'), 's.broker', { mode: 0o600 });
  await useCertificate(authorities[0], 'broker-0');
  await configure();
  const config = await loadConfig(at('config.yaml'), {});
  const log = createLog({
    level: 'error',
    clock: systemClock,
    destination: { write: () => true },
  });
  const deps = { clock: systemClock, log };
  await initialise(config, { tokenFile: at('admin.token'), tokenTtlSeconds: 3_600 }, deps);
  admin = (await readFile(at('admin.token'), 'utf8')).trim();
  reload = new ConfigReload(config, { ...deps, load: () => loadConfig(at('config.yaml'), {}) });
  serving = await serve(config, { ...deps, reload });
  const agent = newAgent(false);
  const documents: readonly (readonly [string, object])[] = [
    [
      '/clusters/c1',
      {
        connection: 'keys',
        issuer: 'https://issuer.test',
        audiences: ['quaymaster'],
        podWatch: false,
      },
    ],
    ['/mounts/own', { prefix: 'own', connection: 'embedded' }],
    [
      '/mounts/vault',
      { prefix: 'vault', connection: 'vault', options: { engine: 'kv-v2', path: 'secret' } },
    ],
    [
      '/policies/all',
      {
        apiVersion: 'quaymaster.dev/v1',
        kind: 'AccessPolicy',
        metadata: { name: 'all' },
        spec: {
          subjects: [{ clusters: ['c1'], namespaces: ['prod'], serviceAccounts: ['*'] }],
          rules: [{ name: 'all', effect: 'allow', paths: ['**'], capabilities: ['read'] }],
        },
      },
    ],
    ['/secrets/own/db', { data: { password: 'own' } }],
  ];
  for (const [path, body] of documents) {
    const { status } = await call(agent, 'PUT', path, { token: admin, body });
    if (status !== 201) throw new Error(`PUT ${path}: ${status}`);
  }
}, TEST_MS);
afterEach(async () => {
  await serving.stop('test_over');
  for (const vault of vaults) await vault.close();
  await rm(directory, { recursive: true });
});

type Request = readonly [method: string, path: string, asked: Asked];

/** Callers that log in, read and log out without a pause. */
class Callers {
  readonly failures: string[] = [];
  answers = 0;
  #isOver = false;
  readonly #running: readonly Promise<void>[];
  readonly #agents = [newAgent(true), newAgent(false)] as const;

  constructor() {
    this.#running = [0, 1, 2, 3].map((n) => this.#run(n));
  }

  async waitForMore(count: number): Promise<void> {
    const enough = this.answers + count;
    await until('more requests are answered', () =>
      Promise.resolve(this.answers >= enough || this.failures.length > 0),
    );
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#running);
    for (const agent of this.#agents) agent.destroy();
  }

  async #run(n: number): Promise<void> {
    try {
      while (!this.#isOver) await this.#session(n);
    } catch (error) {
      this.failures.push(String(error));
    }
  }

  async #session(n: number): Promise<void> {
    const body = { cluster: 'c1', token: podToken(`pod-${n}`) };
    const login = await this.#ask(n, 'POST', '/sessions', { body });
    if (login === undefined) return;
    const token = String(login.body['token']);
    for (const path of ['own/db', 'vault/db', 'vault/db', 'own/db']) {
      await this.#ask(n, 'GET', `/secrets/${path}`, { token });
    }
    await this.#ask(n, 'DELETE', '/sessions/self', { token });
  }

  /** @returns undefined if the connection was cut, and slow. */
  async #ask(n: number, ...asked: Request): Promise<Answer | undefined> {
    const begun = performance.now();
    try {
      const answer = await call(this.#agents[n % 2] ?? this.#agents[0], ...asked);
      this.answers += 1;
      if (answer.status >= 300)
        this.failures.push(
          `${asked[0]} ${asked[1]}: ${answer.status} ${JSON.stringify(answer.body)}`,
        );
      return answer;
    } catch (error) {
      if (performance.now() - begun < SLOW_MS) throw error;
      return undefined;
    }
  }
}

function listeners(): number {
  return process.getActiveResourcesInfo().filter((name) => name === 'TCPServerWrap').length;
}

describe('a broker under load', () => {
  it(
    `refuses no request while configuration, certificate and credentials are replaced ${ROUNDS} times (F48)`,
    async () => {
      const before = listeners();
      const callers = new Callers();
      for (let round = 1; round <= ROUNDS; round += 1) {
        await callers.waitForMore(ANSWERS_A_ROUND);
        vaults.forEach((vault) => vault.addToken(`s.${round}`));
        await replace('vault.token', `s.${round}`);
        await useCertificate(authorities[round % 2 === 0 ? 0 : 1], `broker-${round}`);
        await configure({
          connections: {
            address: vaults[round % 2 === 0 ? 0 : 1].address,
            limits: { timeoutMs: 5_000 + round },
          },
          limits: { batchItems: 100 + round },
          log: { level: round % 2 === 0 ? 'error' : 'warn' },
        });
        await reload.reload();
      }
      await callers.waitForMore(ANSWERS_A_ROUND);
      await callers.stop();
      expect(callers.failures).toEqual([]);
      expect(reload.inUse().generation).toBe(ROUNDS + 1);
      expect(listeners()).toBe(before);
      // The last round counts: the certificate, the backend and its credential.
      const [vault] = vaults;
      expect(vault.requests.at(-1)?.token).toBe(`s.${ROUNDS}`);
      expect(serving.broker.limits.batchItems).toBe(100 + ROUNDS);
    },
    TEST_MS,
  );

  it(
    'refuses no request while every reload fails, and says why (F59)',
    async () => {
      const callers = new Callers();
      const broken: readonly (readonly [string, RegExp])[] = [
        ['limits: { batchItem: 1 }\n', /config\.yaml:1:\d+: \/limits: unknown key "batchItem"/],
        ['limits: [\n', /config\.yaml:\d+:\d+: /],
        ['', /\/store: is missing/],
      ];
      for (const [file, reason] of broken) {
        await callers.waitForMore(ANSWERS_A_ROUND);
        await replace('config.yaml', file);
        await expect(reload.reload()).rejects.toMatchObject({
          code: 'ERR_CONFIG_INVALID',
          message: expect.stringMatching(reason),
        });
        expect(reload.inUse().failure?.detail).toMatch(reason);
      }
      // A certificate without its key.
      await configure({ limits: { batchItems: 7 } });
      const { cert } = authorities[0].issue({ commonName: 'other', ipAddresses: [HOST] });
      await replace('cert.pem', cert);
      await expect(reload.reload()).rejects.toThrow(/cannot be used as certificate and key/);
      expect(serving.broker.limits.batchItems).toBe(100);
      await callers.waitForMore(ANSWERS_A_ROUND);
      await callers.stop();
      expect(callers.failures).toEqual([]);
      const agent = newAgent(false);
      const { body } = await call(agent, 'GET', '/configuration', { token: admin });
      expect(body).toMatchObject({ generation: 1, failure: { detail: expect.any(String) } });
      const refused = await call(agent, 'POST', '/configuration:reload', { token: admin });
      expect(refused).toMatchObject({ status: 409, body: { code: 'ERR_CONFLICT' } });
      // The right pair again: the change that was refused is applied.
      await useCertificate(authorities[0], 'again');
      const applied = await call(agent, 'POST', '/configuration:reload', { token: admin });
      expect(applied).toMatchObject({ status: 200, body: { generation: 2 } });
      expect(serving.broker.limits.batchItems).toBe(7);
    },
    TEST_MS,
  );

  it(
    'serves the connections of the file: a removed one answers 503, and again when it is back',
    async () => {
      const agent = newAgent(true);
      const login = { body: { cluster: 'c1', token: podToken('pod-x') } };
      const token = String((await call(agent, 'POST', '/sessions', login)).body['token']);
      const read = async (): Promise<number> =>
        (await call(agent, 'GET', '/secrets/vault/db', { token })).status;
      expect(await read()).toBe(200);
      await configure({ connections: { locators: ['other/**'] } });
      await reload.reload();
      expect(await read()).toBe(403);
      const whole = await readFile(at('config.yaml'), 'utf8');
      await replace('config.yaml', whole.replace('  vault:', '  renamed:'));
      await reload.reload();
      expect(await read()).toBe(503);
      await configure();
      await reload.reload();
      expect(await read()).toBe(200);
      agent.destroy();
    },
    TEST_MS,
  );
});
