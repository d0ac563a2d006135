import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { readFile, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { runLogin, runLogout } from '../../src/cli/verbs/login.ts';
import { openBroker } from '../../src/cli/connection/open-broker.ts';
import { renewLogin } from '../../src/cli/connection/person-login.ts';
import { failureOf } from '../../src/cli/output/failure.ts';
import { ProfileFiles, type OperatorLogin } from '../../src/cli/connection/profiles.ts';
import {
  BrokerClient,
  createLoginKey,
  type ApiError,
  type LoginKey,
} from '../../src/client/index.ts';
import { systemClock } from '../../src/process/clock.ts';
import { until } from '../kit/backends/until.ts';
import { cliContext, type CapturedContext } from '../kit/cli/cli-context.ts';
import { fileTree, removeTreesAfterEach } from '../kit/files/file-tree.ts';
import { OidcIssuer } from '../kit/identity/oidc-issuer.ts';
import { RunningApi } from '../kit/api/running-api.ts';

removeTreesAfterEach();

let corp: OidcIssuer;
let api: RunningApi;
let context: CapturedContext;
let files: ProfileFiles;
let controller: AbortController;

beforeAll(async () => {
  corp = await OidcIssuer.start({
    claims: ['groups'],
    clients: [
      {
        client_id: 'cli',
        redirect_uris: ['http://127.0.0.1/callback'],
        token_endpoint_auth_method: 'none',
        application_type: 'native',
        grant_types: ['authorization_code', 'urn:ietf:params:oauth:grant-type:device_code'],
        response_types: ['code'],
      },
    ],
  });
  corp.user = { sub: 'alice', acr: 'urn:mfa' };
  const issuer = {
    issuerUrl: corp.url,
    clientId: 'cli',
    caFile: corp.caFile,
    claims: ['groups'],
    deviceLogin: true,
  };
  api = await RunningApi.start({ people: { issuers: { corp: issuer } } });
  await api.put('role-bindings/alice', {
    issuer: 'corp',
    subjects: ['alice'],
    grants: [{ role: 'auditor', scope: [] }],
  });
});
afterAll(async () => {
  await api.stop();
  await corp.close();
});
beforeEach(async () => {
  const configDirectory = join(await fileTree({}), 'quaymaster');
  const captured = cliContext({ configDirectory });
  files = new ProfileFiles(captured.environment);
  // An empty name of a browser: the person opens the printed address.
  const environment = { ...captured.environment, browser: '' };
  const target: CapturedContext['target'] = async () => ({
    profileName: 'default',
    profile: (await files.read('default'))!,
  });
  controller = new AbortController();
  const { signal } = controller;
  context = { ...captured, clock: systemClock, environment, target, signal };
});

/** Acts as the person's browser: logs in at the printed address and opens the redirect. @returns the page that it shows */
async function browse(): Promise<string> {
  let address: string | undefined;
  await until('the address is printed', () => {
    address = /^https:\/\S+$/m.exec(context.err())?.[0];
    return Promise.resolve(address !== undefined);
  });
  const back = new URL(await corp.browse(address ?? ''));
  const wrong = new URL(back);
  wrong.searchParams.set('state', 'planted');
  expect((await fetch(wrong)).status).toBe(400);
  expect((await fetch(new URL('/', back))).status).toBe(400);
  const shown = await fetch(back);
  expect(shown.status).toBe(200);
  return shown.text();
}

const logIn = (options: object = {}): Promise<void> =>
  runLogin(context, { args: [], options: { url: api.url, issuer: 'corp', ...options } });

/** Profile and key of a login, as they were: later logins and logouts do not change them. */
interface Kept {
  readonly login: OperatorLogin;
  readonly key: LoginKey;
}

async function keep(): Promise<Kept> {
  const login = (await files.read('default'))?.login;
  if (login?.kind !== 'operator') throw new Error('no login of a person');
  return { login, key: await files.keys.read(login.keyThumbprint ?? '') };
}

/** Calls the broker as the command line does, with the token and a proof by its key. */
async function asPerson<T>(
  { login, key }: Kept,
  work: (client: BrokerClient) => Promise<T>,
): Promise<T> {
  const client = new BrokerClient({ url: api.url });
  try {
    return await work(client.as(key.bearing(login.token)));
  } finally {
    client.close();
  }
}

const statusOf = (kept: Kept): Promise<number> =>
  asPerson(kept, (client) =>
    client.call('readOwnToken').then(
      ({ status }) => status,
      (error: unknown) => (error as ApiError).status,
    ),
  );

it('logs a person in through the browser, and out (O01)', async () => {
  const [, page] = await Promise.all([logIn(), browse()]);
  expect(page).toContain('You are logged in.');
  expect(context.out()).toContain('as a person of the issuer corp');
  const kept = await keep();
  expect(await statusOf(kept)).toBe(200);
  expect(context.out() + context.err()).not.toContain(kept.login.token);
  await runLogout(context, { args: [], options: {} });
  expect(await statusOf(kept)).toBe(401);
});

it('logs a person in again after the session ended or its key is gone, and not for other errors', async () => {
  await Promise.all([logIn(), browse()]);
  const before = await keep();
  const err = context.err;
  const again = async (error: unknown): Promise<Kept> => {
    const printed = err().length;
    context = { ...context, err: () => err().slice(printed) };
    const [renewed] = await Promise.all([renewLogin(context, error), browse()]);
    expect(renewed).toBe(true);
    return keep();
  };
  await asPerson(before, (client) => client.call('endOwnLogin'));
  const ended: unknown = await openBroker(await context.target(), context)
    .then(({ broker }) => broker.call('readOwnToken'))
    .catch((error: unknown) => error);
  const second = await again(ended);
  expect(await statusOf(second)).toBe(200);
  await files.keys.remove(second.key.thumbprint);
  const missing: unknown = await openBroker(await context.target(), context).catch(
    (error: unknown) => error,
  );
  expect(await statusOf(await again(missing))).toBe(200);
  expect(await renewLogin(context, new Error('another'))).toBe(false);
});

it('shows a person without a role in browser and terminal what the issuer said', async () => {
  corp.user = { sub: 'newcomer', claims: { groups: ['platform', '<script>'] } };
  const [refused, page] = await Promise.all([logIn().catch((error: unknown) => error), browse()]);
  corp.user = { sub: 'alice', acr: 'urn:mfa' };
  expect(page).toContain(
    'the issuer &quot;corp&quot; says about you: sub: newcomer; groups: platform, &lt;script&gt;. No role binding gives you a role',
  );
  expect(page).not.toContain('<script>');
  const { text } = failureOf(refused);
  expect(text).toContain('ERR_NO_ROLE: the issuer "corp" says about you: sub: newcomer');
  expect(text).toContain('quaymaster apply -f binding.yaml');
});

it('warns of codes that others send, when a person logs in on another device', async () => {
  const waiting = logIn({ device: true }).catch((error: unknown) => error);
  await until('the warning is printed', () =>
    Promise.resolve(context.err().includes('Never enter a code that another person sent you')),
  );
  controller.abort(new Error('stopped'));
  await waiting;
});

describe('the token of a login', () => {
  it('is useless without the key, which is in another directory and in no output (O41)', async () => {
    await Promise.all([logIn(), browse()]);
    const { login, key } = await keep();
    const bearer = await api.call('GET', '/api/v1/operator-tokens/self', { token: login.token });
    expect(bearer.status).toBe(401);
    const other = await createLoginKey();
    expect(await statusOf({ login, key: other })).toBe(401);
    const { configDirectory, keyDirectories } = context.environment;
    const [keys = ''] = keyDirectories;
    const [file = ''] = await readdir(keys);
    expect(file).toBe(`${key.thumbprint}.jwk`);
    expect((await stat(join(keys, file))).mode & 0o777).toBe(0o600);
    expect((await stat(keys)).mode & 0o777).toBe(0o700);
    expect(keys.startsWith(configDirectory)).toBe(false);
    const profile = await readFile(join(configDirectory, 'profiles/default.json'), 'utf8');
    expect(profile + context.out() + context.err()).not.toContain(key.privateJwk.d);
    await runLogout(context, { args: [], options: {} });
    expect(await readdir(keys)).toEqual([]);
  });

  it('is refused on another machine with a text that says why', async () => {
    await Promise.all([logIn(), browse()]);
    const elsewhere = {
      ...context.environment,
      keyDirectories: [join(await fileTree({}), 'keys')],
    };
    await expect(
      openBroker(await context.target(), { ...context, environment: elsewhere }),
    ).rejects.toThrow('the profile is a copy; run quaymaster login again');
  });

  it('leaves no key behind if the login is not finished', async () => {
    const keys = context.environment.keyDirectories[0] ?? '';
    await expect(
      runLogin(context, { args: [], options: { url: api.url, issuer: 'absent' } }),
    ).rejects.toThrow();
    expect(await readdir(keys)).toEqual([]);
  });

  it('reads values that are sealed to its key', async () => {
    await api.put('role-bindings/reader', {
      issuer: 'corp',
      subjects: ['alice'],
      grants: [{ role: 'secret-reader', scope: [] }],
    });
    await api.seed();
    const session = await api.logIn();
    const value = { data: { password: 'canary-51f0' } };
    await api.call('PUT', '/api/v1/secrets/app/db', { token: session, body: value });
    await Promise.all([logIn(), browse()]);
    const kept = await keep();
    const { body } = await asPerson(kept, (client) =>
      client.call('readSecret', { path: { path: 'app/db' } }),
    );
    expect(body.data).toEqual({ password: 'canary-51f0' });
    const url = `${api.url}/api/v1/secrets/app/db`;
    const { headers } = await kept.key
      .bearing(kept.login.token)
      .authorize({ method: 'GET', url, at: Date.now() });
    const answer = await fetch(url, { headers });
    expect(answer.headers.get('content-type')).toBe('application/jose');
    expect(await answer.text()).not.toContain('canary-51f0');
  });
});

it('logs a person in again for dangerous operations, and ends the older session', async () => {
  await Promise.all([logIn(), browse()]);
  const before = await keep();
  const printed = context.err().length;
  const again = runLogin(context, { args: [], options: { stepUp: true } });
  const err = context.err;
  context = { ...context, err: () => err().slice(printed) };
  await Promise.all([again, browse()]);
  const now = await keep();
  expect([now.login.token, now.key.thumbprint]).not.toContain(before.login.token);
  expect(now.key.thumbprint).not.toBe(before.key.thumbprint);
  expect([await statusOf(before), await statusOf(now)]).toEqual([401, 200]);
});

it('logs a person in on another device, and everywhere out', async () => {
  const confirm = async (): Promise<void> => {
    let shown: readonly string[] = [];
    await until('the code is printed', () => {
      shown = /Open (\S+)\nand enter the code (\S+)/.exec(context.err()) ?? [];
      return Promise.resolve(shown.length > 0);
    });
    const [, address = '', code = ''] = shown;
    await corp.confirmDevice(address, code);
  };
  await Promise.all([logIn({ device: true }), confirm()]);
  const kept = await keep();
  expect(await statusOf(kept)).toBe(200);
  await runLogout(context, { args: [], options: { everywhere: true } });
  expect(await statusOf(kept)).toBe(401);
});

it('keeps one operator with the role admin when two are deleted at the same moment', async () => {
  await api.put('role-bindings/root', {
    issuer: 'corp',
    subjects: ['alice'],
    grants: [{ role: 'admin', scope: [] }],
  });
  await api.put('operators/second', { grants: [{ role: 'admin', scope: [] }] });
  await Promise.all([logIn({ stepUp: true }), browse()]);
  const statuses = await asPerson(await keep(), async (client) => {
    const { body } = await client.call('listOperators');
    const headers = { 'If-Match': '*' } as const;
    return Promise.all(
      body.items.map(({ name }) =>
        client.call('deleteOperator', { path: { name }, headers }).then(
          ({ status }) => status,
          (error: unknown) => (error as ApiError).status,
        ),
      ),
    );
  });
  expect(statuses.sort()).toEqual([204, 409]);
});
