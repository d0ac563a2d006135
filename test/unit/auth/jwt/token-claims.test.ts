import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { boundClaims, ecKey, rawToken, signedToken } from '../../../kit/identity/token-factory.ts';
import {
  AUDIENCE,
  ISSUER,
  offlineCluster,
  refusalOf,
  refused,
} from '../../../kit/identity/offline-cluster.ts';
import type { OfflineCluster } from '../../../kit/identity/offline-cluster.ts';

const key = ecKey('ec-1');
const SECOND = 1000;

let cluster: OfflineCluster;
beforeAll(async () => (cluster = await offlineCluster([key.jwk])));
afterAll(() => cluster.close());

const sign = (changes: Record<string, unknown>): string =>
  signedToken(key, cluster.claims(changes));
const refusal = (changes: Record<string, unknown>): Promise<string> =>
  refusalOf(cluster.authenticate(sign(changes)));
const accepted = async (changes: Record<string, unknown>): Promise<boolean> =>
  (await cluster.authenticate(sign(changes))).method === 'jwks';
const now = (): number => cluster.clock.now() / SECOND;

describe('the issuer of a token', () => {
  it.each([
    `${ISSUER}.evil.tld`,
    ISSUER.slice(0, -1),
    `${ISSUER}/`,
    ISSUER.toUpperCase(),
    [ISSUER, 'https://evil.tld'],
    [ISSUER],
    `${ISSUER}\u0000`,
    ` ${ISSUER}`,
    'https://kubernetesXdefaultXsvcXclusterXlocal',
    '',
    null,
    undefined,
  ])('is refused if it does not match as a whole: %j (J09)', async (iss) => {
    expect(await refusal({ iss })).toBe(refused('iss_mismatch'));
  });
});

describe('the audience of a token', () => {
  it.each([undefined, []])('is required: refuses %j (J10)', async (aud) => {
    expect(await refusal({ aud })).toBe(refused('aud_missing'));
  });

  it.each([
    [['https://kubernetes.default.svc']],
    [ISSUER],
    [`${AUDIENCE}/`],
    [[`${AUDIENCE}.evil`]],
    [null],
    [7],
    [{ 0: AUDIENCE }],
    [[AUDIENCE, 7]],
    [[[AUDIENCE]]],
    [[AUDIENCE, '']],
    [''],
    [Array.from({ length: 33 }, () => AUDIENCE)],
  ])("is refused if it is not the broker's: %j (J11)", async (aud) => {
    expect(await refusal({ aud })).toBe(refused('aud_mismatch'));
  });

  it.each([AUDIENCE, [AUDIENCE]])('is accepted as a string or a list of one', async (aud) => {
    expect(await accepted({ aud })).toBe(true);
  });

  it.each([[[AUDIENCE, 'https://other.test']], [[AUDIENCE, AUDIENCE]]])(
    'is refused beside any other audience, which could replay the token: %j (J13)',
    async (aud) => {
      expect(await refusal({ aud })).toBe(refused('multi_aud'));
    },
  );

  it('is accepted among several if the cluster allows it, and all are reported (J13)', async () => {
    const lax = await offlineCluster([key.jwk], { allowSeveralAudiences: true });
    const aud = ['https://other.test', AUDIENCE];
    const attested = await lax.authenticate(signedToken(key, lax.claims({ aud })));
    expect(attested.audiences).toEqual(aud);
    await lax.close();
  });
});

describe('the times of a token', () => {
  const INVALID = ['9999999999', -1, 1.5, 2 ** 53, null, true, [], {}, undefined];

  it.each(INVALID)(
    'are refused without a whole number of seconds as exp: %j (J15)',
    async (exp) => {
      expect(await refusal({ exp })).toBe(refused('exp_invalid'));
    },
  );

  it.each(INVALID)('are refused without a whole number of seconds as iat: %j', async (iat) => {
    expect(await refusal({ iat })).toBe(refused('iat_invalid'));
  });

  it.each(INVALID.filter((value) => value !== undefined))(
    'are refused if nbf is present and no whole number of seconds: %j',
    async (nbf) => {
      expect(await refusal({ nbf })).toBe(refused('nbf_invalid'));
    },
  );

  it.each(['1e999', '-1e999', '9007199254740993', '1e400'])(
    'are refused with an exp of %s, which never expires (J15)',
    async (exp) => {
      const text = JSON.stringify(cluster.claims()).replace(/"exp":\d+/, `"exp":${exp}`);
      const token = rawToken({ header: { alg: 'ES256', kid: 'ec-1' }, payload: text, key });
      expect(await refusalOf(cluster.authenticate(token))).toBe(refused('exp_invalid'));
    },
  );

  it('are accepted within 30 seconds of clock skew, to the exact limit (J16)', async () => {
    const iat = now() - 600;
    expect(await refusal({ iat, nbf: iat, exp: now() - 31 })).toBe(refused('expired'));
    expect(await refusal({ iat, nbf: iat, exp: now() - 30 })).toBe(refused('expired'));
    expect(await accepted({ iat, nbf: iat, exp: now() - 29 })).toBe(true);
    expect(await refusal({ nbf: now() + 31 })).toBe(refused('not_yet_valid'));
    expect(await accepted({ nbf: now() + 30 })).toBe(true);
    expect(await refusal({ iat: now() + 31 })).toBe(refused('not_yet_valid'));
    expect(await accepted({ iat: now() + 30 })).toBe(true);
  });

  it('are accepted to the millisecond', async () => {
    const token = sign({ exp: now() + 1 });
    cluster.clock.advance(30_999);
    await expect(cluster.authenticate(token)).resolves.toBeDefined();
    cluster.clock.advance(1);
    expect(await refusalOf(cluster.authenticate(token))).toBe(refused('expired'));
  });

  it('are verified at each login: neither a success nor a failure is cached (J24)', async () => {
    const early = sign({ nbf: now() + 90 });
    const short = sign({ exp: now() + 2 });
    expect(await refusalOf(cluster.authenticate(early))).toBe(refused('not_yet_valid'));
    await expect(cluster.authenticate(short)).resolves.toBeDefined();
    cluster.clock.advance(60 * SECOND);
    await expect(cluster.authenticate(early)).resolves.toBeDefined();
    expect(await refusalOf(cluster.authenticate(short))).toBe(refused('expired'));
  });

  it('span at most the longest lifetime of the cluster', async () => {
    expect(await accepted({ exp: now() + 86_400 })).toBe(true);
    expect(await refusal({ exp: now() + 86_401 })).toBe(refused('lifetime_exceeded'));
    expect(await refusal({ exp: 2 ** 53 - 1 })).toBe(refused('lifetime_exceeded'));
    expect(await refusal({ exp: now(), iat: now() })).toBe(refused('exp_invalid'));
  });
});

describe('the subject of a token', () => {
  const named = (sub: unknown, namespace = 'prod', name = 'api'): Record<string, unknown> => ({
    sub,
    'kubernetes.io': {
      namespace,
      serviceaccount: { name, uid: 'sa-uid-1' },
      pod: { name: 'api-0', uid: 'pod-uid-1' },
    },
  });

  it.each([
    { a: 1 },
    ['system:serviceaccount:prod:api'],
    'system:serviceaccount:ns:a:b',
    'system:serviceaccount::a',
    'system:serviceaccount:prod:',
    'system:serviceaccount:prod',
    'system:serviceaccount:prod:api\n',
    'system:serviceaccount:prod:a/b',
    'system:serviceaccount:*:api',
    'system:serviceaccount:prod:*',
    'system:serviceaccount:Prod:api',
    'system:serviceaccount:prod:Api',
    'system:serviceaccount:pr.od:api',
    'system:serviceaccount:-prod:api',
    'system:serviceaccount:prod:api-',
    'system:serviceaccount:prod:a..b',
    `system:serviceaccount:${'n'.repeat(64)}:api`,
    `system:serviceaccount:prod:${'a'.repeat(254)}`,
    ' system:serviceaccount:prod:api',
    'SYSTEM:serviceaccount:prod:api',
    'system:node:n1',
    'alice',
    '',
    null,
    undefined,
  ])('is refused if it is not a service account: %j (J20)', async (sub) => {
    expect(await refusal(named(sub))).toBe(refused('not_a_service_account'));
  });

  it('accepts every character that Kubernetes allows in names', async () => {
    const name = `a.${'b'.repeat(240)}.9`;
    const sub = `system:serviceaccount:${'n'.repeat(63)}:${name}`;
    const attested = await cluster.authenticate(sign(named(sub, 'n'.repeat(63), name)));
    expect(attested.workload).toMatchObject({ namespace: 'n'.repeat(63), serviceAccount: name });
  });

  it.each([
    named('system:serviceaccount:prod:admin', 'prod', 'dev'),
    named('system:serviceaccount:prod:api', 'dev', 'api'),
    named('system:serviceaccount:kube-system:api', 'prod', 'api'),
  ])('is refused if the other claims name another service account (J19)', async (claims) => {
    expect(await refusal(claims)).toBe(refused('claim_mismatch'));
  });
});

describe('the Kubernetes claims', () => {
  const bound = (changes: Record<string, unknown>): Record<string, unknown> => ({
    'kubernetes.io': {
      namespace: 'prod',
      serviceaccount: { name: 'api', uid: 'sa-uid-1' },
      pod: { name: 'api-0', uid: 'pod-uid-1' },
      ...changes,
    },
  });

  it.each([
    { 'kubernetes.io': undefined },
    { 'kubernetes.io': 'prod' },
    { 'kubernetes.io': [] },
    bound({ namespace: undefined }),
    bound({ namespace: ['prod'] }),
    bound({ serviceaccount: undefined }),
    bound({ serviceaccount: { name: 'api' } }),
    bound({ serviceaccount: { name: 'api', uid: 7 } }),
    bound({ serviceaccount: { name: 'api', uid: '' } }),
    bound({ serviceaccount: { name: 'api', uid: 'u\n' } }),
    bound({ pod: null }),
    bound({ pod: {} }),
    bound({ pod: { name: 'api-0' } }),
    bound({ pod: { name: 'Api_0', uid: 'u' } }),
    bound({ pod: { name: '../x', uid: 'u' } }),
    bound({ pod: { name: 'api-0', uid: '*' } }),
    bound({ node: { name: '' } }),
    bound({ node: { name: 'n', uid: 7 } }),
    { jti: 7 },
    { jti: '' },
    { jti: 'x'.repeat(257) },
  ])('are refused without the form of bound tokens: %j', async (claims) => {
    expect(await refusal(claims)).toBe(refused('claim_invalid'));
  });

  it('are accepted without the node, its UID and the token id', async () => {
    expect(await accepted({ ...bound({}), jti: undefined })).toBe(true);
    const named = await cluster.authenticate(sign(bound({ node: { name: 'n1' } })));
    expect(named.workload.node).toEqual({ name: 'n1' });
  });

  it('are refused without a pod, unless the cluster allows tokens without one', async () => {
    const withoutPod = bound({ pod: undefined });
    expect(await refusal(withoutPod)).toBe(refused('pod_required'));
    const lax = await offlineCluster([key.jwk], { allowWithoutPod: true });
    const attested = await lax.authenticate(signedToken(key, lax.claims(withoutPod)));
    expect(attested.workload.pod).toBeUndefined();
    await lax.close();
  });

  it('are refused if they are repeated (J21)', async () => {
    const claims = JSON.stringify(cluster.claims());
    const header = { alg: 'ES256', kid: 'ec-1' };
    for (const extra of [
      '"sub":"system:serviceaccount:prod:admin"',
      '"aud":["https://broker.test"]',
      '"s\\u0075b":"system:serviceaccount:prod:admin"',
    ]) {
      const token = rawToken({ header, payload: claims.replace('{', `{${extra},`), key });
      expect(await refusalOf(cluster.authenticate(token))).toBe(refused('duplicate_claim'));
    }
    const nested = claims.replace('"namespace":"prod"', '"namespace":"dev","namespace":"prod"');
    const token = rawToken({ header, payload: nested, key });
    expect(await refusalOf(cluster.authenticate(token))).toBe(refused('duplicate_claim'));
  });
});

describe('other kinds of tokens', () => {
  it('are refused if they are from Secrets, whatever the settings of the cluster are (J18)', async () => {
    const legacy = {
      iss: 'kubernetes/serviceaccount',
      'kubernetes.io/serviceaccount/namespace': 'prod',
      'kubernetes.io/serviceaccount/secret.name': 'api-token',
      'kubernetes.io/serviceaccount/service-account.name': 'api',
      'kubernetes.io/serviceaccount/service-account.uid': 'sa-uid-1',
      sub: 'system:serviceaccount:prod:api',
    };
    const lax = await offlineCluster([key.jwk], {
      issuer: 'kubernetes/serviceaccount',
      allowWithoutPod: true,
      allowSeveralAudiences: true,
    });
    for (const claims of [
      legacy,
      { ...lax.claims(), iss: legacy.iss },
      { ...lax.claims(), ...legacy },
    ]) {
      const attempt = lax.authenticate(signedToken(key, claims));
      expect(await refusalOf(attempt)).toBe(refused('legacy_token'));
    }
    const flat = cluster.claims({ 'kubernetes.io/serviceaccount/namespace': 'prod' });
    expect(await refusalOf(cluster.authenticate(signedToken(key, flat)))).toBe(
      refused('legacy_token'),
    );
    await lax.close();
  });

  it('are refused if they belong to people (J27)', async () => {
    const idToken = {
      iss: 'https://login.test',
      sub: 'alice',
      aud: AUDIENCE,
      exp: now() + 60,
      iat: now(),
    };
    expect(await refusalOf(cluster.authenticate(signedToken(key, idToken)))).toBe(
      refused('iss_mismatch'),
    );
    const sameIssuer = signedToken(key, { ...idToken, iss: ISSUER });
    expect(await refusalOf(cluster.authenticate(sameIssuer))).toBe(
      refused('not_a_service_account'),
    );
  });

  it('are refused if another cluster has the same issuer, and name their own cluster there (J08)', async () => {
    const otherKey = ecKey('ec-1');
    const west = await offlineCluster([otherKey.jwk], {}, 'west');
    const token = signedToken(
      otherKey,
      boundClaims({ issuer: ISSUER, audience: AUDIENCE, issuedAt: now() }),
    );
    expect(await refusalOf(cluster.authenticate(token))).toBe(refused('bad_signature'));
    const here = signedToken(otherKey, west.claims());
    expect((await west.authenticate(here)).workload.cluster).toBe('west');
    await west.close();
  });
});
