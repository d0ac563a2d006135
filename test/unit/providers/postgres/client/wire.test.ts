import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Sensitive } from '../../../../../src/domain/secrets/sensitive.ts';
import type { BrokerError } from '../../../../../src/domain/errors.ts';
import type { VaultAnswerError } from '../../../../../src/providers/vault/errors.ts';
import { contextOf, failureOf } from '../../../../contract/secret-provider.contract.ts';
import { FakeVault } from '../../../../kit/fakes/fake-vault.ts';
import { CertificateAuthority } from '../../../../kit/network/certificates.ts';
import { VaultConnections } from '../../../../kit/providers/vault-connections.ts';

let vault: FakeVault;
let connections: VaultConnections;
const environment = { ...process.env };

beforeEach(async () => {
  vault = await FakeVault.start();
  vault.put('secret', 'db', { a: 'b' });
  connections = await VaultConnections.create();
});
afterEach(async () => {
  process.env = { ...environment };
  await connections.close();
  await vault.close();
});

const get = (path: string) => ({ method: 'GET', path }) as const;

describe('requests to the server', () => {
  it('carry the token and namespace of the connection and nothing of the environment', async () => {
    Object.assign(process.env, {
      VAULT_TOKEN: 's.environment',
      VAULT_NAMESPACE: 'environment',
      VAULT_PREFIX: '/elsewhere',
      VAULT_ADDR: 'http://127.0.0.1:1',
      VAULT_SKIP_VERIFY: '1',
      HTTP_PROXY: 'http://127.0.0.1:1',
      http_proxy: 'http://127.0.0.1:1',
    });
    const { client } = await connections.connect(vault.address, 's.broker', { namespace: 'team' });
    await client.read(get('secret/data/db'), contextOf());
    await client.anonymous(get('sys/health'), contextOf());
    const plain = await connections.connect(vault.address, 's.broker');
    await plain.client.read(get('secret/data/db'), contextOf());
    expect(
      vault.requests.map(({ target, token, namespace }) => [target, token, namespace]),
    ).toEqual([
      ['/v1/secret/data/db', 's.broker', 'team'],
      ['/v1/sys/health', undefined, 'team'],
      ['/v1/secret/data/db', 's.broker', undefined],
    ]);
  });

  it('reach the server byte for byte as they were encoded (B02)', async () => {
    const { client } = await connections.connect(vault.address, 's.broker');
    const path = 'secret/data/%2e%2e/a%252fb/%26%23x2F%3B?version=1';
    await client.read(get(path), contextOf()).catch(() => undefined);
    expect(vault.requests[0]?.target).toBe(`/v1/${path}`);
  });

  it('offer no compression', async () => {
    const { client } = await connections.connect(vault.address, 's.broker');
    await client.read(get('secret/data/db'), contextOf());
    expect(vault.requests[0]?.headers['accept-encoding']).toBeUndefined();
  });

  it('use a token of their own, and are not repeated', async () => {
    const { client } = await connections.connect(vault.address, 's.broker');
    const request = { ...get('secret/data/db'), token: new Sensitive('s.child') };
    expect((await failureOf(client.read(request, contextOf()))).code).toBe('ERR_PROVIDER_DENIED');
    expect(vault.requests.map(({ token }) => token)).toEqual(['s.child']);
  });
});

describe('answers of the server', () => {
  const answered = async (
    status: number,
    body: unknown,
    path = 'secret/data/db',
  ): Promise<BrokerError> => {
    vault.fault = () => ({ status, body });
    const { client } = await connections.connect(vault.address, 's.broker', {
      limits: { maxRetries: 0 },
    });
    return failureOf(client.read(get(path), contextOf()));
  };

  it.each([
    [400, 'ERR_PROVIDER_FAILED', 'refused'],
    [403, 'ERR_PROVIDER_DENIED', undefined],
    [404, 'ERR_NOT_FOUND', undefined],
    [405, 'ERR_PROVIDER_FAILED', 'refused'],
    [412, 'ERR_PROVIDER_UNAVAILABLE', 'not_serving'],
    [429, 'ERR_PROVIDER_UNAVAILABLE', 'throttled'],
    [472, 'ERR_PROVIDER_UNAVAILABLE', 'not_serving'],
    [500, 'ERR_PROVIDER_FAILED', 'server_error'],
    [503, 'ERR_PROVIDER_UNAVAILABLE', 'not_serving'],
    [201, 'ERR_PROVIDER_FAILED', 'refused'],
    [302, 'ERR_PROVIDER_FAILED', 'refused'],
  ])('mean at status %i %s %s', async (status, code, reason) => {
    expect(await answered(status, { errors: ['said'] })).toMatchObject({ code, reason });
  });

  it('are errors if they have an error, even if the path reads like that of the health check', async () => {
    const error = await answered(403, { errors: ['no'] }, 'secret/data/sys/health');
    expect(error.code).toBe('ERR_PROVIDER_DENIED');
  });

  it('distinguish a missing engine from a missing secret', async () => {
    const error = await answered(404, {
      errors: ['no handler for route "x". route entry not found.'],
    });
    expect(error).toMatchObject({ code: 'ERR_PROVIDER_FAILED', reason: 'no_engine' });
  });

  it('are matched by the phrases that the broker acts on, and repeated nowhere', async () => {
    const error = await answered(400, { errors: [`invalid lease: ${'b'.repeat(1000)}`, 'second'] });
    expect(error.detail).toBeUndefined();
    const cause = error.cause as VaultAnswerError;
    expect(cause.message).toBe('the server answered 400, gone');
    expect(cause.says('gone')).toBe(true);
    expect(cause.says('sealed')).toBe(false);
  });

  it('keep numbers that JavaScript cannot represent as text', async () => {
    vault.fault = (_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end('{"n":12345678901234567890,"d":1.10,"i":42}');
      return 'handled';
    };
    const { client } = await connections.connect(vault.address, 's.broker');
    expect(await client.read(get('x'), contextOf())).toEqual({
      n: '12345678901234567890',
      d: '1.10',
      i: 42,
    });
  });
});

describe('TLS', () => {
  const authority = new CertificateAuthority();
  const tlsRead = async (
    names: { dnsNames?: string[]; ipAddresses?: string[] },
    more: Readonly<Record<string, unknown>> = {},
  ) => {
    const secure = await FakeVault.start(authority.issue({ commonName: 'vault', ...names }));
    secure.put('secret', 'db', { a: 'b' });
    const caFile = await connections.file(authority.cert);
    const connection = await connections.connect(secure.address, 's.broker', { caFile, ...more });
    try {
      return await connection.client.read(get('secret/data/db'), contextOf());
    } finally {
      await secure.close();
    }
  };

  it('succeeds with a server whose certificate names the host', async () => {
    await expect(tlsRead({ ipAddresses: ['127.0.0.1'] })).resolves.toBeDefined();
  });

  it('checks the server name of the configuration instead of the host', async () => {
    const serverName = 'vault.internal';
    await expect(tlsRead({ dnsNames: [serverName] }, { serverName })).resolves.toBeDefined();
    const other = await failureOf(tlsRead({ dnsNames: ['other.internal'] }, { serverName }));
    expect(other).toMatchObject({ code: 'ERR_PROVIDER_UNAVAILABLE', reason: 'tls' });
  });

  it('is refused when the certificate names another host (B08)', async () => {
    const error = await failureOf(tlsRead({ dnsNames: ['vault.internal'] }));
    expect(error).toMatchObject({ code: 'ERR_PROVIDER_UNAVAILABLE', reason: 'tls' });
  });

  it('is refused when the authority is not the trusted one', async () => {
    const caFile = await connections.file(new CertificateAuthority('another').cert);
    const error = await failureOf(tlsRead({ ipAddresses: ['127.0.0.1'] }, { caFile }));
    expect(error).toMatchObject({ code: 'ERR_PROVIDER_UNAVAILABLE', reason: 'tls' });
  });

  it('is reported by the check as a TLS failure', async () => {
    const secure = await FakeVault.start(authority.issue({ commonName: 'vault', dnsNames: ['x'] }));
    const caFile = await connections.file(authority.cert);
    const connection = await connections.connect(secure.address, 's.broker', { caFile });
    const report = await connection.check(contextOf());
    expect(report.healthy).toBe(false);
    expect(report.findings.join()).toMatch(/ERR_TLS_CERT_ALTNAME_INVALID.*caFile/);
    await secure.close();
  });

  it('does not start with an unreadable CA file', async () => {
    await expect(
      connections.connect(vault.address, 's.broker', { caFile: '/nonexistent/ca.pem' }),
    ).rejects.toMatchObject({ code: 'ERR_CONFIG_INVALID' });
  });
});
