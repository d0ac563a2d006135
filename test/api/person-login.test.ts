import { afterAll, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { join } from 'node:path';
import { runLogin, runLogout } from '../../src/cli/verbs/login.ts';
import { ProfileFiles } from '../../src/cli/connection/profiles.ts';
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

beforeAll(async () => {
  corp = await OidcIssuer.start({
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
  const issuer = { issuerUrl: corp.url, clientId: 'cli', caFile: corp.caFile };
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
  files = new ProfileFiles(configDirectory);
  const captured = cliContext({ configDirectory });
  // An empty name of a browser: the person opens the printed address.
  const environment = { ...captured.environment, browser: '' };
  const target: CapturedContext['target'] = async () => ({
    profileName: 'default',
    profile: (await files.read('default'))!,
  });
  context = { ...captured, clock: systemClock, environment, target };
});

/** Acts as the person's browser: logs in at the printed address and opens the redirect. */
async function browse(): Promise<void> {
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
  expect((await fetch(back)).status).toBe(200);
}

const logIn = (options: object = {}): Promise<void> =>
  runLogin(context, { args: [], options: { url: api.url, issuer: 'corp', ...options } });

const statusOf = async (token: string): Promise<number> =>
  (await api.call('GET', '/api/v1/operator-tokens/self', { token })).status;

async function tokenOf(): Promise<string> {
  const login = (await files.read('default'))?.login;
  if (login?.kind !== 'operator') throw new Error('no login of a person');
  return login.token;
}

it('logs a person in through the browser, and out (O01)', async () => {
  await Promise.all([logIn(), browse()]);
  expect(context.out()).toContain('as a person of the issuer corp');
  const token = await tokenOf();
  expect(await statusOf(token)).toBe(200);
  expect(context.out() + context.err()).not.toContain(token);
  await runLogout(context, { args: [], options: {} });
  expect(await statusOf(token)).toBe(401);
});

it('logs a person in again for dangerous operations, and ends the older session', async () => {
  await Promise.all([logIn(), browse()]);
  const before = await tokenOf();
  const printed = context.err().length;
  const again = runLogin(context, { args: [], options: { stepUp: true } });
  const err = context.err;
  context = { ...context, err: () => err().slice(printed) };
  await Promise.all([again, browse()]);
  expect(await tokenOf()).not.toBe(before);
  expect([await statusOf(before), await statusOf(await tokenOf())]).toEqual([401, 200]);
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
  const token = await tokenOf();
  expect(await statusOf(token)).toBe(200);
  await runLogout(context, { args: [], options: { everywhere: true } });
  expect(await statusOf(token)).toBe(401);
});

it('keeps one operator with the role admin when two are deleted at the same moment', async () => {
  await api.put('role-bindings/root', {
    issuer: 'corp',
    subjects: ['alice'],
    grants: [{ role: 'admin', scope: [] }],
  });
  await api.put('operators/second', { grants: [{ role: 'admin', scope: [] }] });
  await Promise.all([logIn({ stepUp: true }), browse()]);
  const token = await tokenOf();
  const { body } = await api.call('GET', '/api/v1/operators', { token });
  const names = (body as { readonly items: readonly { readonly name: string }[] }).items;
  const answers = await Promise.all(
    names.map(({ name }) =>
      api.call('DELETE', `/api/v1/operators/${name}`, { token, headers: { 'If-Match': '*' } }),
    ),
  );
  expect(answers.map(({ status }) => status).sort()).toEqual([204, 409]);
});
