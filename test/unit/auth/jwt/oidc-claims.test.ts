import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createAuthenticator } from '../../../../src/auth/index.ts';
import type { OidcClusterSpec } from '../../../../src/domain/identity/cluster.ts';
import { workloadId } from '../../../../src/domain/identity/workload.ts';
import { parseSpec } from '../../../../src/broker/model/schema.ts';
import { ecKey, rawToken, rsaKey, signedToken } from '../../../kit/identity/token-factory.ts';
import {
  offlineCluster,
  refusalOf,
  refused,
  AUDIENCE,
} from '../../../kit/identity/offline-cluster.ts';
import type { OfflineCluster } from '../../../kit/identity/offline-cluster.ts';
import { warningsLog } from '../../../kit/fakes/warnings-log.ts';

const GITHUB = 'https://token.actions.githubusercontent.com';
const key = ecKey('ec-1');
const opened: OfflineCluster[] = [];

/** A cluster document as an operator writes it, and an authenticator for it. */
async function open(more: object, keys: readonly unknown[] = [key.jwk]): Promise<OfflineCluster> {
  const spec = parseSpec('cluster', {
    type: 'oidc',
    connection: 'keys',
    issuer: GITHUB,
    audiences: [AUDIENCE],
    ...more,
  }) as OidcClusterSpec;
  const cluster = await offlineCluster(keys, spec, 'ci');
  opened.push(cluster);
  return cluster;
}
afterAll(async () => {
  for (const each of opened) await each.close();
});

/** The claims of GitHub's documentation ("OIDC token claims"), issued now. */
const githubClaims = (now: number, changes: object = {}): Record<string, unknown> => ({
  jti: '2f5c1c6a-0d2b-4b0b-8f5a-3f8ad7b7a1b2',
  sub: 'repo:acme/shop:environment:production',
  aud: AUDIENCE,
  iss: GITHUB,
  ref: 'refs/heads/main',
  repository: 'acme/shop',
  repository_owner: 'acme',
  repository_owner_id: '65',
  repository_visibility: 'private',
  environment: 'production',
  workflow: 'deploy',
  job_workflow_ref: 'acme/shop/.github/workflows/deploy.yml@refs/heads/main',
  runner_environment: 'github-hosted',
  nbf: now - 5,
  iat: now,
  exp: now + 300,
  ...changes,
});

describe('a token of GitHub Actions', () => {
  let cluster: OfflineCluster;
  beforeAll(async () => {
    cluster = await open({
      requiredClaims: { repository_owner_id: '65', runner_environment: ['github-hosted', 'acme'] },
      identity: [{ claim: 'repository', parts: 2 }, { claim: 'environment' }],
    });
  });
  const claims = (changes: object = {}): Record<string, unknown> =>
    githubClaims(cluster.clock.now() / 1000, changes);
  const refusal = (changes: object): Promise<string> =>
    refusalOf(cluster.authenticate(signedToken(key, claims(changes))));
  const nameOf = async (changes: object): Promise<string> =>
    workloadId((await cluster.authenticate(signedToken(key, claims(changes)))).workload);

  it('names the repository and the environment', async () => {
    const attested = await cluster.authenticate(signedToken(key, claims()));
    expect(attested).toMatchObject({
      workload: { cluster: 'ci', identity: ['acme', 'shop', 'production'] },
      audiences: [AUDIENCE],
      tokenId: '2f5c1c6a-0d2b-4b0b-8f5a-3f8ad7b7a1b2',
      method: 'jwks',
    });
    expect(attested.tokenEndsAt - attested.tokenIssuedAt).toBe(300_000);
  });

  it('is refused without a claim that the identity needs', async () => {
    expect(await refusal({ environment: undefined })).toBe(refused('claim_missing'));
    expect(await refusal({ sub: undefined })).toBe(refused('claim_missing'));
  });

  it.each([
    ['another owner', { repository_owner_id: '66' }, 'claim_mismatch'],
    ['a number that looks like the text', { repository_owner_id: 65 }, 'claim_mismatch'],
    ['a list that holds the value', { repository_owner_id: ['65'] }, 'claim_mismatch'],
    ['no owner', { repository_owner_id: undefined }, 'claim_missing'],
    ['another runner', { runner_environment: 'self-hosted' }, 'claim_mismatch'],
  ])('is refused with %s', async (_what, changes, reason) => {
    expect(await refusal(changes)).toBe(refused(reason));
  });

  it.each([
    ['one part', 'acme'],
    ['three parts', 'acme/shop/x'],
    ['an empty part', '/shop'],
    ['an empty last part', 'acme/'],
    ['a parent', '../shop'],
    ['a control character', 'acme/sh\u0000op'],
    ['a line feed', 'acme/shop\n'],
    ['half of a surrogate pair', 'acme/\ud800'],
    ['too many characters', `acme/${'x'.repeat(600)}`],
  ])('is refused if the repository has %s', async (_what, repository) => {
    expect(await refusal({ repository })).toBe(refused('identity_invalid'));
  });

  it.each([[''], [7], [null], [['acme/shop']], [[['acme/shop']]], [{ 0: 'acme/shop' }], [true]])(
    'is refused if the repository is not a text: %j',
    async (repository) => {
      expect(await refusal({ repository })).toBe(refused('claim_invalid'));
    },
  );

  it('cannot name another identity by a slash, star or percent sign in a claim', async () => {
    expect(await nameOf({ environment: 'production/x' })).toBe('ci://ci/acme/shop/production%2Fx');
    expect(await nameOf({ environment: '*' })).toBe('ci://ci/acme/shop/%2A');
    expect(await nameOf({ environment: 'a%2Fb' })).toBe('ci://ci/acme/shop/a%252Fb');
    expect(await nameOf({ repository: 'acme%2Fshop/x' })).toBe(
      'ci://ci/acme%252Fshop/x/production',
    );
  });

  it.each([
    ['no exp', { exp: undefined }, 'exp_invalid'],
    ['an exp as text', { exp: '9999999999' }, 'exp_invalid'],
    ['another issuer', { iss: `${GITHUB}/` }, 'iss_mismatch'],
    ['no issuer', { iss: undefined }, 'iss_mismatch'],
    ['no audience', { aud: undefined }, 'aud_missing'],
    ['the default audience of GitHub', { aud: 'https://github.com/acme' }, 'aud_mismatch'],
    ['several audiences', { aud: [AUDIENCE, 'sts.amazonaws.com'] }, 'multi_aud'],
  ])('is refused with %s', async (_what, changes, reason) => {
    expect(await refusal(changes)).toBe(refused(reason));
  });

  it('is refused 30 seconds after it expired, and before it begins', async () => {
    const now = cluster.clock.now() / 1000;
    expect(await refusal({ iat: now - 600, nbf: now - 600, exp: now - 30 })).toBe(
      refused('expired'),
    );
    expect(await refusal({ nbf: now + 31 })).toBe(refused('not_yet_valid'));
    expect(await nameOf({ iat: now - 600, nbf: now - 600, exp: now - 29 })).toContain('ci://');
  });
});

describe('keys and algorithms of an OIDC cluster', () => {
  const rsa = rsaKey('rsa-1');
  let cluster: OfflineCluster;
  beforeAll(async () => {
    cluster = await open({ identity: [{ claim: 'sub' }] }, [rsa.jwk, key.jwk]);
  });
  const claims = (): Record<string, unknown> => githubClaims(cluster.clock.now() / 1000);
  const refusal = (token: string): Promise<string> => refusalOf(cluster.authenticate(token));

  it.each([
    ['none', { alg: 'none', kid: 'rsa-1' }, 'bad_alg'],
    ['HS256 with the public key as secret', { alg: 'HS256', kid: 'rsa-1' }, 'bad_alg'],
    ['an algorithm of another key type', { alg: 'ES256', kid: 'rsa-1' }, 'bad_alg'],
    ['no key name', { alg: 'RS256' }, 'bad_kid'],
    ['an unknown key name', { alg: 'RS256', kid: 'rsa-2' }, 'key_not_trusted'],
    ['a key name that is a path', { alg: 'RS256', kid: '../../dev/null' }, 'key_not_trusted'],
    ['a list of key names', { alg: 'RS256', kid: ['rsa-1'] }, 'bad_kid'],
    ['its own key', { alg: 'RS256', kid: 'rsa-1', jwk: rsa.jwk }, 'key_not_trusted'],
    ['a key address', { alg: 'RS256', kid: 'rsa-1', jku: 'https://evil.test' }, 'key_not_trusted'],
    ['the type of an access token', { alg: 'RS256', kid: 'rsa-1', typ: 'at+jwt' }, 'bad_typ'],
    ['extensions', { alg: 'RS256', kid: 'rsa-1', crit: ['exp'] }, 'bad_crit'],
  ])('refuse %s (J01, J06)', async (_what, header, reason) => {
    expect(await refusal(rawToken({ header, payload: claims(), key: rsa }))).toBe(refused(reason));
  });

  it('refuse a token that another key of the same name signed', async () => {
    const other = rsaKey('rsa-1');
    expect(await refusal(signedToken(other, claims()))).toBe(refused('bad_signature'));
  });

  it('refuse claims that are named twice, and oversized tokens', async () => {
    const text = JSON.stringify(claims()).replace('{', '{"sub":"repo:evil/x:ref:refs/heads/main",');
    expect(await refusal(signedToken(rsa, text))).toBe(refused('duplicate_claim'));
    const large = { ...claims(), padding: 'x'.repeat(16_384) };
    expect(await refusal(signedToken(rsa, large))).toBe(refused('too_large'));
  });
});

describe('a token of GitLab CI', () => {
  it('names the project and the environment, if the branch is protected', async () => {
    const cluster = await open({
      issuer: 'https://gitlab.example.com',
      requiredClaims: { ref_protected: 'true', namespace_id: '72' },
      identity: [{ claim: 'project_path', parts: 'any' }],
    });
    const claims = {
      ...githubClaims(cluster.clock.now() / 1000),
      iss: 'https://gitlab.example.com',
      sub: 'project_path:acme/team/shop:ref_type:branch:ref:main',
      project_path: 'acme/team/shop',
      namespace_id: '72',
      ref_protected: 'true',
    };
    const { workload } = await cluster.authenticate(signedToken(key, claims));
    expect(workloadId(workload)).toBe('ci://ci/acme/team/shop');
    const unprotected = { ...claims, ref_protected: 'false' };
    expect(await refusalOf(cluster.authenticate(signedToken(key, unprotected)))).toBe(
      refused('claim_mismatch'),
    );
  });
});

describe('a JWT-SVID of SPIFFE', () => {
  const TRUST = 'https://spire.example.org';
  const svid = (now: number, sub: string): Record<string, unknown> => ({
    iss: TRUST,
    aud: [AUDIENCE],
    sub,
    exp: now + 300,
  });

  it('names the path of its SPIFFE ID, also without iat, by a key of a SPIFFE bundle', async () => {
    const cluster = await open(
      {
        issuer: TRUST,
        identity: [{ claim: 'sub', prefix: 'spiffe://example.org/', parts: 'any' }],
      },
      [{ ...key.jwk, use: 'jwt-svid' }],
    );
    const now = cluster.clock.now() / 1000;
    const login = (sub: string): ReturnType<typeof cluster.authenticate> =>
      cluster.authenticate(signedToken(key, svid(now, sub)));
    const { workload, tokenIssuedAt } = await login('spiffe://example.org/ns/prod/sa/shop');
    expect(workloadId(workload)).toBe('ci://ci/ns/prod/sa/shop');
    expect(tokenIssuedAt).toBe(cluster.clock.now());
    for (const [sub, reason] of [
      ['spiffe://evil.org/ns/prod/sa/shop', 'claim_mismatch'],
      ['spiffe://example.org.evil.org/ns', 'claim_mismatch'],
      ['spiffe://example.org/', 'identity_invalid'],
      ['spiffe://example.org//ns', 'identity_invalid'],
      ['spiffe://example.org/ns/../sa', 'identity_invalid'],
      ['spiffe://example.org/ns/', 'identity_invalid'],
    ] as const) {
      expect(await refusalOf(login(sub))).toBe(refused(reason));
    }
  });

  it('is refused if it lives longer than the cluster allows, counted from now without iat', async () => {
    const cluster = await open({
      issuer: TRUST,
      maxTokenLifetime: '4m',
      identity: [{ claim: 'sub' }],
    });
    const now = cluster.clock.now() / 1000;
    const token = signedToken(key, svid(now, 'spiffe://example.org/x'));
    expect(await refusalOf(cluster.authenticate(token))).toBe(refused('lifetime_exceeded'));
  });
});

describe('the document of an OIDC cluster', () => {
  const valid = {
    type: 'oidc',
    connection: 'keys',
    issuer: GITHUB,
    audiences: [AUDIENCE],
    identity: [{ claim: 'sub' }],
  };
  const problem = (changes: object): unknown => {
    try {
      return parseSpec('cluster', { ...valid, ...changes });
    } catch (error) {
      return (
        error as { readonly problems?: readonly { readonly pointer: string }[] }
      ).problems?.map(({ pointer }) => pointer);
    }
  };

  it.each([
    [{ identity: undefined }, ['/identity']],
    [{ identity: [] }, ['/identity']],
    [{ identity: [{ claim: 'a', parts: 'any' }, { claim: 'b' }] }, ['/identity']],
    [{ identity: [{ claim: 'a', parts: 0 }] }, ['/identity/0/parts']],
    [{ identity: [{ claim: '' }] }, ['/identity/0/claim']],
    [{ audiences: [] }, ['/audiences']],
    [{ mode: 'token-review' }, ['/mode']],
    [{ podWatch: false }, ['/podWatch']],
    [{ type: 'saml' }, ['/type', '/identity']],
    [{ requiredClaims: { a: [] } }, ['/requiredClaims/a']],
    [{ requiredClaims: { a: { b: 1 } } }, ['/requiredClaims/a']],
  ])('is refused at the place of the problem: %j', (changes, pointers) => {
    expect(problem(changes)).toEqual(pointers);
  });

  it('needs a connection with keys, and its issuer must be that of the connection', () => {
    const spec = parseSpec<'cluster'>('cluster', valid);
    const dependencies = { clock: opened[0]!.clock, log: warningsLog() };
    const create = (connection: unknown): unknown => {
      try {
        return createAuthenticator({ name: 'ci', spec }, connection as never, dependencies);
      } catch (error) {
        return (error as { readonly problems?: unknown }).problems;
      }
    };
    expect(create({ type: 'kubernetes', api: {} })).toMatchObject([{ pointer: '/connection' }]);
    expect(create({ type: 'jwks', issuerUrl: `${GITHUB}.evil.test` })).toMatchObject([
      { pointer: '/issuer' },
    ]);
  });
});
