import { afterEach, describe, expect, it } from '@jest/globals';
import { jwksConnectionSchema } from '../../../../src/auth/config.ts';
import { FakeApiServer } from '../../../kit/fakes/fake-api-server.ts';
import { answer, redirect } from '../../../kit/fakes/server-faults.ts';
import { createAuthenticator } from '../../../../src/auth/index.ts';
import { BrokerError } from '../../../../src/domain/errors.ts';
import type { CertificateAuthority } from '../../../kit/network/certificates.ts';
import { HandClock } from '../../../kit/time/hand-clock.ts';
import { fakeCluster } from '../../../kit/fakes/fake-cluster.ts';
import type { FakeCluster } from '../../../kit/fakes/fake-cluster.ts';
import { SPEC, refusalOf } from '../../../kit/identity/offline-cluster.ts';
import { warningsLog } from '../../../kit/fakes/warnings-log.ts';

const UNAVAILABLE = 'ERR_IDENTITY_UNAVAILABLE keys_unavailable';

const opened: FakeCluster[] = [];
let cluster: FakeCluster;
const others: FakeApiServer[] = [];
afterEach(async () => {
  for (const each of opened.splice(0)) await each.close();
  for (const other of others.splice(0)) await other.close();
});

/** A cluster configured only with its issuer's address; the connection also allows `hosts`. */
async function discovered(
  prepare: (fake: FakeApiServer) => void = () => undefined,
  hosts: readonly string[] = [],
  authority?: CertificateAuthority,
): Promise<FakeCluster> {
  const fake = await FakeApiServer.start(undefined, authority);
  const issuer = fake.address;
  prepare(fake);
  const built = await fakeCluster(
    { issuer },
    {
      fake,
      connectionOf: () => ({
        type: 'jwks',
        issuerUrl: issuer,
        caFile: fake.caFile,
        hosts: [...hosts],
      }),
    },
  );
  opened.push(built);
  return built;
}
const token = (): string => cluster.token({ iss: cluster.fake.address });
const refusal = (): Promise<string> => refusalOf(cluster.authenticate(token()));
const host = ({ address }: FakeApiServer): string => new URL(address).host;

describe('discovered keys', () => {
  it('are the keys of the issuer', async () => {
    cluster = await discovered();
    expect((await cluster.authenticate(token())).method).toBe('jwks');
    expect(cluster.fake.requests.map(({ operation }) => operation)).toEqual(['discovery', 'jwks']);
    expect(cluster.fake.requests.every(({ authorization }) => authorization === undefined)).toBe(
      true,
    );
  });

  it.each(['https://other.test', undefined, '', 7])(
    'are refused from another issuer: %j (T09)',
    async (issuer) => {
      cluster = await discovered((fake) => void (fake.discovery = { issuer }));
      expect(await refusal()).toBe(UNAVAILABLE);
      expect(cluster.fake.countOf('jwks')).toBe(0);
    },
  );

  it('are refused if the issuer differs by a trailing slash (T09)', async () => {
    cluster = await discovered((fake) => void (fake.discovery = { issuer: `${fake.address}/` }));
    expect(await refusal()).toBe(UNAVAILABLE);
  });

  it.each([
    'file:///etc/passwd',
    'data:application/json,{"keys":[]}',
    'https://169.254.169.254/latest/meta-data',
    'https://[::ffff:127.0.0.1]/keys',
    'https://2130706433/keys',
    'https://127.0.0.1/keys',
    'https://evil.test/keys',
    '/openid/v1/jwks',
    '',
    7,
    undefined,
    ['https://evil.test'],
  ])('are not fetched from %j (T09)', async (address) => {
    cluster = await discovered((fake) => void (fake.discovery = { jwks_uri: address }));
    expect(await refusal()).toBe(UNAVAILABLE);
    expect(cluster.fake.requests.map(({ operation }) => operation)).toEqual(['discovery']);
  });

  it.each(['http', 'user'])(
    'are not fetched without TLS or with a user in the address: %s (T09)',
    async (kind) => {
      cluster = await discovered((fake) => {
        const scheme = kind === 'http' ? 'http://' : 'https://user:password@';
        fake.discovery = { jwks_uri: fake.address.replace('https://', scheme) };
      });
      expect(await refusal()).toBe(UNAVAILABLE);
      expect(cluster.fake.countOf('jwks')).toBe(0);
    },
  );

  it('are fetched from another host only if the connection names it (T09)', async () => {
    const keyServer = await FakeApiServer.start();
    others.push(keyServer);
    const publish = (fake: FakeApiServer): void => {
      keyServer.keys = fake.keys;
      fake.discovery = { jwks_uri: `${keyServer.address}/openid/v1/jwks` };
    };
    cluster = await discovered(publish, [], keyServer.authority);
    expect(await refusal()).toBe(UNAVAILABLE);
    expect(keyServer.requests).toEqual([]);
    cluster = await discovered(publish, [host(keyServer)], keyServer.authority);
    expect((await cluster.authenticate(token())).method).toBe('jwks');
    // Named, but under another authority than the connection's.
    const { length } = keyServer.requests;
    cluster = await discovered(publish, [host(keyServer)]);
    expect(await refusal()).toBe(UNAVAILABLE);
    expect(keyServer.requests).toHaveLength(length);
  });

  it.each(['discovery', 'jwks'] as const)(
    'do not follow a redirect of %s (T09)',
    async (operation) => {
      const evil = await FakeApiServer.start();
      others.push(evil);
      cluster = await discovered((fake) =>
        fake.script(operation, redirect(`${evil.address}/openid/v1/jwks`)),
      );
      expect(await refusal()).toBe(UNAVAILABLE);
      expect(evil.requests).toEqual([]);
    },
  );

  it.each([[], null, 'x', 7])('are refused from an invalid document: %j', async (document) => {
    cluster = await discovered((fake) => fake.script('discovery', answer(200, document)));
    expect(await refusal()).toBe(UNAVAILABLE);
  });
});

describe('the configuration of a jwks connection', () => {
  const accepts = (connection: object): boolean =>
    jwksConnectionSchema.safeParse({ type: 'jwks', ...connection }).success;

  it.each([
    { file: '/keys.json' },
    { issuerUrl: 'https://oidc.test/id/1', hosts: ['keys.test', 'keys.test:8443'] },
    { issuerUrl: 'https://oidc.test:6443', caFile: '/ca.pem' },
  ])('accepts one source: %j', (connection) => expect(accepts(connection)).toBe(true));

  it.each([
    {},
    { file: '/keys.json', issuerUrl: 'https://oidc.test' },
    { issuerUrl: 'http://oidc.test' },
    { issuerUrl: 'file:///keys' },
    { issuerUrl: 'https://user@oidc.test' },
    { issuerUrl: 'https://oidc.test?tenant=1' },
    { issuerUrl: 'https://oidc.test', hosts: ['*.test'] },
    { issuerUrl: 'https://oidc.test', hosts: ['https://keys.test'] },
    { issuerUrl: 'https://oidc.test', hosts: ['Keys.test'] },
    { issuerUrl: 'https://oidc.test', hosts: ['keys.test/path'] },
    { file: '/keys.json', hosts: [] },
    { file: '/keys.json', insecure: true },
  ])('refuses %j', (connection) => expect(accepts(connection)).toBe(false));
});

describe('a cluster', () => {
  const problemsOf = (changes: object, connection: object): readonly string[] => {
    try {
      const deps = { clock: new HandClock(), log: warningsLog() };
      const cluster = { name: 'east', spec: { ...SPEC, ...changes } };
      createAuthenticator(cluster, connection as never, deps).close();
    } catch (error) {
      if (error instanceof BrokerError) return (error.problems ?? []).map(({ pointer }) => pointer);
    }
    return [];
  };
  const file = { type: 'jwks', file: '/nowhere' };

  it.each<[object, string]>([
    [{ audiences: [] }, '/audiences'],
    [{ audiences: [''] }, '/audiences'],
    [{ issuer: '' }, '/issuer'],
    [{ maxTokenLifetimeSeconds: 0 }, '/maxTokenLifetimeSeconds'],
    [{ maxTokenLifetimeSeconds: Infinity }, '/maxTokenLifetimeSeconds'],
    [{ maxTokenLifetimeSeconds: 1.5 }, '/maxTokenLifetimeSeconds'],
    [{ mode: 'token-review' }, '/mode'],
    [{ mode: 'both' }, '/mode'],
    [{ podWatch: true }, '/podWatch'],
  ])('is not registered if it could not be verified: %j (J10)', (changes, pointer) => {
    expect(problemsOf(changes, file)).toEqual([pointer]);
  });

  it('has exactly the issuer of its connection, character by character', () => {
    const connection = { type: 'jwks', issuerUrl: `${SPEC.issuer}/` };
    expect(problemsOf({}, connection)).toEqual(['/issuer']);
  });
});
