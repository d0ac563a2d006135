import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { configSchema } from '../../src/program/config/schema.ts';
import { describeWith } from '../kit/backends/backends.ts';
import { installedProgram } from '../kit/backends/cache.ts';
import { freePort } from '../kit/backends/free-port.ts';
import { OPENBAO } from '../kit/backends/recipes.ts';
import { until } from '../kit/backends/until.ts';
import { vaultCall, type VaultAnswer } from '../kit/api/vault-call.ts';
import { ALICE, PeopleApi } from '../kit/identity/people-api.ts';
import { storedEntries } from '../kit/store/store-diff.ts';
import { systemClock } from '../../src/process/clock.ts';

const REDIRECT = 'http://localhost:4711/oidc/callback';
const NONCE = 'a-nonce-of-the-client';

let people: PeopleApi;

beforeAll(async () => {
  const vaultApi = {
    mounts: { secret: { engine: 'kv-v2', prefix: 'app' } },
    auth: { oidc: { issuer: 'corp' }, kubernetes: { cluster: 'c1' } },
  };
  people = await PeopleApi.start(systemClock, {}, {}, { vaultApi });
  people.corp.user = ALICE;
});

afterAll(async () => {
  await people.stop();
});

function begin(body: object = {}, mount = 'oidc'): Promise<VaultAnswer> {
  const asked = { role: 'dev', redirect_uri: REDIRECT, client_nonce: NONCE, ...body };
  return vaultCall(people.api.vaultPort, 'PUT', `auth/${mount}/oidc/auth_url`, { body: asked });
}

/** Begins a login, and logs the person in at the issuer. @returns the answer that the browser brings back */
async function browsed(): Promise<URLSearchParams> {
  const { body } = await begin();
  return new URL(await people.corp.browse(body.data.auth_url as string)).searchParams;
}

function finish(
  answer: URLSearchParams,
  change: Readonly<Record<string, string>> = {},
): Promise<VaultAnswer> {
  const [state, code] = [answer.get('state') ?? '', answer.get('code') ?? ''];
  const query = new URLSearchParams({ state, code, client_nonce: NONCE, ...change });
  const path = `auth/oidc/oidc/callback?${query.toString()}`;
  return vaultCall(people.api.vaultPort, 'GET', path);
}

describeWith(['openbao'], 'bao login -method=oidc', () => {
  const address = (): string => `http://127.0.0.1:${people.api.vaultPort}`;

  /** Starts a login of the command line. @returns what it printed so far, and at its end its exit code */
  function login(...settings: readonly string[]): {
    readonly printed: () => string;
    readonly answer: () => string;
    readonly ended: Promise<number | null>;
  } {
    const words = ['login', '-method=oidc', '-format=json', '-no-store', 'skip_browser=true'];
    const child = spawn(installedProgram(OPENBAO), [...words, ...settings], {
      env: { HOME: people.api.directory, BAO_ADDR: address() },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let [out, err] = ['', ''];
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
    const ended = once(child, 'close').then(([code]) => code as number | null);
    return { printed: () => out + err, answer: () => out.slice(out.indexOf('{')), ended };
  }

  it.each(['localhost', '127.0.0.1'])(
    'logs a person in with a browser, which comes back to %s',
    async (host) => {
      const port = await freePort();
      const { printed, answer, ended } = login(
        `port=${port}`,
        `callbackhost=${host}`,
        `listenaddress=${host}`,
      );
      let opened: string | undefined;
      await until('the address is printed', () => {
        opened = /https:\/\/\S+/.exec(printed())?.[0];
        return Promise.resolve(opened !== undefined);
      });
      const back = await people.corp.browse(opened ?? '');
      expect(back.startsWith(`http://${host}:${port}/oidc/callback?`)).toBe(true);
      expect((await fetch(back)).status).toBe(200);
      expect([await ended, printed()]).toEqual([0, expect.anything()]);
      const { auth } = JSON.parse(answer()) as {
        readonly auth: { readonly client_token: string; readonly metadata: object };
      };
      expect(auth.metadata).toEqual({ person: 'oidc:corp/alice' });
      const { status, body } = await vaultCall(
        people.api.vaultPort,
        'GET',
        'auth/token/lookup-self',
        { token: auth.client_token },
      );
      expect([status, body.data.display_name]).toEqual([200, 'oidc:corp/alice']);
    },
  );

  it('is refused in the direct mode, with the mode that works', async () => {
    const { printed, ended } = login('callbackmode=direct');
    expect(await ended).not.toBe(0);
    expect(printed()).toContain('the direct mode is not served: log in with callbackmode=client');
  });

  it('gets no address in the device mode, because it cannot poll for the answer', async () => {
    const { printed, ended } = login('callbackmode=device');
    expect(await ended).not.toBe(0);
    expect(printed()).toContain('no state returned in device callback mode');
    const polled = await vaultCall(people.api.vaultPort, 'PUT', 'auth/oidc/oidc/poll', {
      token: people.api.admin,
      body: { state: 'x', client_nonce: NONCE },
    });
    expect([polled.status, polled.body.errors[0]]).toEqual([
      405,
      expect.stringContaining('log in with callbackmode=client'),
    ]);
  });
});

describe('logins of people', () => {
  it('opens one session for one answer of the issuer, with an entry', async () => {
    const answer = await browsed();
    const opened = await finish(answer);
    expect(opened.body.auth).toMatchObject({
      client_token: expect.stringMatching(/^qmo_/),
      metadata: { person: 'oidc:corp/alice' },
      renewable: false,
    });
    expect(opened.body.auth.lease_duration).toBeGreaterThan(0);
    const entries = await storedEntries(people.api.broker.parts.store);
    const requestId = opened.headers.get('x-request-id');
    expect(entries.find((entry) => entry.requestId === requestId)).toMatchObject({
      action: 'operator-token.create',
      outcome: 'ok',
      client: { face: 'vault' },
    });
    expect(await finish(answer)).toMatchObject({
      status: 403,
      body: { errors: ['permission denied'] },
    });
  });

  it('answers only the client that began the login', async () => {
    const answer = await browsed();
    for (const change of [{ client_nonce: 'the-nonce-of-another' }, { state: 'planted' }]) {
      expect((await finish(answer, change)).status).toBe(403);
    }
    expect((await finish(answer, { client_nonce: '' })).status).toBe(400);
    // A login of this face cannot be finished at the API of the broker, where no nonce is asked.
    const [login, query] = [answer.get('state') ?? '', answer.toString()];
    expect((await people.finish(login, query)).status).toBe(401);
    // And the other way round.
    const own = await people.begin();
    const back = new URL(await people.corp.browse(own.address)).searchParams;
    expect((await finish(back, { state: own.login })).status).toBe(403);
    expect((await finish(answer)).status).toBe(200);
  });

  it.each([
    'https://localhost:4711/oidc/callback',
    'http://evil.test:4711/oidc/callback',
    'http://localhost.evil.test:4711/oidc/callback',
    'http://localhost:4711@evil.test/oidc/callback',
    'http://localhost/oidc/callback',
    'http://localhost:4711/oidc/callback?x=y',
    'http://localhost:4711/callback',
    'http://127.1:4711/oidc/callback',
  ])('redirects to no other address: %s', async (redirect) => {
    const { status, body } = await begin({ redirect_uri: redirect });
    expect(status).toBe(400);
    expect(JSON.stringify(body)).toContain('must be http://localhost:<port>/oidc/callback');
  });

  it('refuses a login at a mount of workloads, an unknown mount, and one of a workload at the mount of people', async () => {
    for (const mount of ['kubernetes', 'other', 'constructor']) {
      expect((await begin({}, mount)).status).toBe(403);
    }
    const body = { jwt: people.api.serviceAccountToken() };
    const { status } = await vaultCall(people.api.vaultPort, 'PUT', 'auth/oidc/login', { body });
    expect(status).toBe(403);
  });

  it('refuses a person without a role', async () => {
    people.corp.user = { sub: 'bob' };
    const refused = await finish(await browsed());
    expect(refused.status).toBe(403);
    expect(JSON.stringify(refused.body)).toContain('No role binding gives you a role');
    people.corp.user = ALICE;
  });

  it('accepts tokens in no other query, and no ID token in this one', async () => {
    const answer = await browsed();
    expect((await finish(answer, { id_token: 'eyJ.eyJ.x' })).status).toBe(400);
    const path = `sys/health?code=${people.api.admin}`;
    expect((await vaultCall(people.api.vaultPort, 'GET', path)).status).toBe(400);
  });
});

describe('the configuration of logins', () => {
  it('names one issuer, which exists', () => {
    const vaultApi = {
      listener: {},
      mounts: {},
      auth: { a: { issuer: 'corp' }, b: { issuer: 'corp' } },
    };
    const { error } = configSchema.safeParse({ mode: 'development', vaultApi });
    const messages = error?.issues.map(({ path, message }) => `${path.join('.')} ${message}`);
    expect(messages).toContain('vaultApi.auth may name one issuer of people');
  });
});
