import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { writeFile } from 'node:fs/promises';
import { vaultServerSchema } from '../../../../src/providers/vault/config.ts';
import { connectVault, type VaultClient } from '../../../../src/providers/vault/client/client.ts';
import { contextOf, failureOf } from '../../../contract/secret-provider.contract.ts';
import { until } from '../../../kit/backends/until.ts';
import { FakeVault } from '../../../kit/fakes/fake-vault.ts';
import { HandClock } from '../../../kit/time/hand-clock.ts';
import { VaultConnections } from '../../../kit/providers/vault-connections.ts';

let vault: FakeVault;
let files: VaultConnections;
let clock: HandClock;
let client: VaultClient;

const connect = async (auth: Readonly<Record<string, unknown>>): Promise<void> => {
  const server = vaultServerSchema.parse({ address: vault.address, auth });
  client = await connectVault(server, { clock, connection: 'vault', random: () => 0 });
};
const byAppRole = async (secretId = 'right'): Promise<string> => {
  const secretIdFile = await files.file(`${secretId}\n`);
  await connect({ method: 'approle', roleId: 'r', secretIdFile });
  return secretIdFile;
};
const read = () => client.read({ method: 'GET', path: 'secret/data/db' }, contextOf());
const targets = () => vault.requests.map((request) => request.target.replace('/v1/', ''));
const tokensUsed = () => vault.requests.map((request) => request.token);

beforeEach(async () => {
  vault = await FakeVault.start();
  vault.put('secret', 'db', { a: 'b' });
  files = await VaultConnections.create();
  clock = new HandClock();
});
afterEach(async () => {
  await client.close();
  await files.close();
  await vault.close();
});

describe('a token from a login', () => {
  it('is requested once, however many calls wait for it', async () => {
    await byAppRole();
    await Promise.all(Array.from({ length: 20 }, read));
    expect(vault.logins).toBe(1);
    expect(vault.requests[0]).toMatchObject({
      method: 'POST',
      target: '/v1/auth/approle/login',
      token: undefined,
      body: { role_id: 'r', secret_id: 'right' },
    });
  });

  it('is not sent with a request that has none', async () => {
    await byAppRole();
    await read();
    await client.anonymous({ method: 'GET', path: 'sys/health' }, contextOf());
    expect(vault.requests.at(-1)).toMatchObject({ target: '/v1/sys/health', token: undefined });
  });

  it.each(['approle', 'kubernetes', 'jwt'])('is requested by %s at its mount', async (method) => {
    const file = await files.file('right');
    const auth =
      method === 'approle'
        ? { roleId: 'r', secretIdFile: file }
        : { role: 'broker', tokenFile: file };
    await connect({ method, mount: 'clusters/prod-1', ...auth });
    await read().catch(() => undefined);
    expect(vault.requests[0]).toMatchObject({ target: '/v1/auth/clusters/prod-1/login' });
  });

  it.each(['kubernetes', 'jwt'])('is requested by %s with role and token', async (method) => {
    await connect({ method, role: 'broker', tokenFile: await files.file('right') });
    await read();
    expect(vault.requests[0]).toMatchObject({
      target: `/v1/auth/${method}/login`,
      body: { role: 'broker', jwt: 'right' },
    });
  });

  it.each([
    ['kubernetes', 'broker', 'wrong'],
    ['kubernetes', 'unknown', 'right'],
    ['jwt', 'broker', 'wrong'],
    ['jwt', 'unknown', 'right'],
  ])('is refused by %s for the role %s and a token that is %s', async (method, role, token) => {
    await connect({ method, role, tokenFile: await files.file(token) });
    expect(await failureOf(read())).toMatchObject({
      code: 'ERR_PROVIDER_DENIED',
      reason: 'login_refused',
    });
    expect(vault.requests).toHaveLength(1);
  });

  it('is renewed from two thirds of its life on, in the background of calls', async () => {
    await byAppRole();
    await read();
    clock.advance(2_399_000);
    await read();
    expect(targets()).not.toContain('auth/token/renew-self');
    clock.advance(1000);
    await read();
    await until('the renewal', () => Promise.resolve(targets().includes('auth/token/renew-self')));
    expect(vault.logins).toBe(1);
    clock.advance(2_000_000);
    await read();
    expect(vault.logins).toBe(1);
  });

  it('is replaced by a login when it cannot be renewed', async () => {
    vault.loginRenewable = false;
    await byAppRole();
    await read();
    clock.advance(2_400_000);
    await read();
    await until('a read with the second token', async () => {
      await read();
      return tokensUsed().at(-1) === 's.login-2';
    });
    expect(vault.logins).toBe(2);
    expect(targets()).not.toContain('auth/token/renew-self');
  });

  it('is replaced before the expiry that no renewal can extend', async () => {
    await byAppRole();
    await read();
    vault.tokens.get('s.login-1')!.ttl = 900;
    clock.advance(2_400_000);
    await read();
    await until('the second login', () => Promise.resolve(vault.logins === 2));
  });

  it('is not used after its expiry', async () => {
    await byAppRole();
    await read();
    clock.advance(3_600_000);
    await read();
    expect(tokensUsed().at(-1)).toBe('s.login-2');
  });

  it('is replaced once when the server has lost it, and the call is repeated', async () => {
    await byAppRole();
    await read();
    vault.tokens.delete('s.login-1');
    clock.advance(20_000);
    await expect(read()).resolves.toBeDefined();
    expect(vault.logins).toBe(2);
  });

  it('is not replaced for each call to a forbidden path', async () => {
    await byAppRole();
    await read();
    vault.fault = (request) => (request.target.includes('/secret/') ? { status: 403 } : undefined);
    for (let call = 0; call < 10; call += 1) {
      expect((await failureOf(read())).code).toBe('ERR_PROVIDER_DENIED');
      clock.advance(900);
    }
    expect(vault.logins).toBe(1);
  });

  it('is not requested repeatedly with a refused credential, and is requested once the credential is right', async () => {
    const file = await byAppRole('wrong');
    for (let call = 0; call < 5; call += 1) {
      expect(await failureOf(read())).toMatchObject({
        code: 'ERR_PROVIDER_DENIED',
        reason: 'login_refused',
      });
    }
    expect(vault.logins).toBe(1);
    await writeFile(file, 'right');
    clock.advance(1000);
    await expect(read()).resolves.toBeDefined();
  });

  it.each([0, -1, 1e18, '1h', undefined, 1.5])('is refused with a life of %s', async (seconds) => {
    vault.fault = (request) =>
      request.target.endsWith('/login')
        ? {
            status: 200,
            body: { auth: { client_token: 's.x', lease_duration: seconds, renewable: true } },
          }
        : undefined;
    await byAppRole();
    expect((await failureOf(read())).code).toBe('ERR_PROVIDER_MALFORMED');
  });

  it('is revoked when the connection closes', async () => {
    await byAppRole();
    await read();
    await client.close();
    expect(vault.tokens.has('s.login-1')).toBe(false);
  });
});

describe('a token in a file', () => {
  it('is read again within a second of its change', async () => {
    const tokenFile = await files.file('s.broker\n');
    await connect({ method: 'token', tokenFile });
    await read();
    vault.addToken('s.second');
    await writeFile(tokenFile, 's.second');
    clock.advance(1000);
    await read();
    expect(tokensUsed()).toEqual(['s.broker', 's.second']);
  });

  it('is read again at once when the server refuses it', async () => {
    const tokenFile = await files.file('s.old');
    vault.addToken('s.old');
    await connect({ method: 'token', tokenFile });
    await read();
    vault.tokens.delete('s.old');
    await writeFile(tokenFile, 's.broker');
    await expect(read()).resolves.toBeDefined();
    expect(tokensUsed()).toEqual(['s.old', 's.old', 's.broker']);
  });

  it('is not sent twice when it is unchanged', async () => {
    await connect({ method: 'token', tokenFile: await files.file('s.unknown') });
    expect((await failureOf(read())).code).toBe('ERR_PROVIDER_DENIED');
    expect(vault.requests).toHaveLength(1);
  });

  it.each<[string, string | undefined, string | undefined]>([
    ['is not there', '/nonexistent/token', undefined],
    ['is empty', undefined, ''],
    ['has two lines', undefined, 's.x\r\nX-Vault-Namespace: root'],
    ['is far too long', undefined, 'x'.repeat(70_000)],
  ])('is unavailable when the file %s', async (_what, path, content) => {
    await connect({ method: 'token', tokenFile: path ?? (await files.file(content ?? '')) });
    expect(await failureOf(read())).toMatchObject({
      code: 'ERR_PROVIDER_UNAVAILABLE',
      reason: 'credential_file',
    });
    expect(vault.requests).toHaveLength(0);
  });
});
