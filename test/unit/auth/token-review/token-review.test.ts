import { inspect } from 'node:util';
import { afterEach, describe, expect, it } from '@jest/globals';
import { AccountMismatch } from '../../../../src/domain/identity/account-mismatch.ts';
import { until } from '../../../kit/backends/until.ts';
import { answer, drip, drop, flood, redirect, stall } from '../../../kit/fakes/server-faults.ts';
import type { ServerFault } from '../../../kit/fakes/server-faults.ts';
import { rawToken } from '../../../kit/identity/token-factory.ts';
import { AUDIENCE, refusalOf, refused } from '../../../kit/identity/offline-cluster.ts';
import { fakeCluster } from '../../../kit/fakes/fake-cluster.ts';
import type { FakeCluster } from '../../../kit/fakes/fake-cluster.ts';

const UNAVAILABLE = 'ERR_IDENTITY_UNAVAILABLE review_unavailable';
let cluster: FakeCluster;
afterEach(() => cluster.close());

type Members = Readonly<Record<string, unknown>>;

/** The valid answer with changes: of its status, of its user, of its user's extras. */
function reviewing(status: Members = {}, user: Members = {}, extra: Members = {}): ServerFault {
  const prefix = 'authentication.kubernetes.io/';
  const { pod, fake } = cluster;
  return answer(201, {
    kind: 'TokenReview',
    status: {
      authenticated: true,
      audiences: [AUDIENCE],
      user: {
        username: 'system:serviceaccount:prod:api',
        uid: fake.accounts.get('prod/api'),
        extra: {
          [`${prefix}pod-name`]: [pod.metadata.name],
          [`${prefix}pod-uid`]: [pod.metadata.uid],
          ...extra,
        },
        ...user,
      },
      ...status,
    },
  });
}
const refusal = (token = cluster.token()): Promise<string> =>
  refusalOf(cluster.authenticate(token));

describe.each(['token-review', 'both'] as const)('a login by %s', (mode) => {
  it('sends the audiences of the cluster and reports how the token was verified', async () => {
    cluster = await fakeCluster({ mode, audiences: [AUDIENCE, 'second'] });
    const attested = await cluster.authenticate(cluster.token());
    expect(attested.method).toBe(mode);
    expect(attested.workload.pod).toEqual({ name: 'api-0', uid: cluster.pod.metadata.uid });
    const sent = JSON.parse(cluster.fake.requests.at(-1)?.body ?? '') as unknown;
    expect(sent).toMatchObject({ kind: 'TokenReview', spec: { audiences: [AUDIENCE, 'second'] } });
  });

  it.each([
    { audiences: undefined },
    { audiences: [] },
    { audiences: ['https://other.test'] },
    { audiences: [AUDIENCE, 'https://other.test'] },
    { audiences: AUDIENCE },
    { audiences: [null] },
  ])("requires that the API server checked the broker's audience: %j (T01)", async (status) => {
    cluster = await fakeCluster({ mode });
    cluster.fake.script('review', reviewing(status));
    expect(await refusal()).toBe(refused('review_aud'));
  });

  it.each([
    'alice',
    'system:node:n1',
    'system:serviceaccount:ns:a:b',
    'system:serviceaccount:ns:',
    'system:serviceaccount::a',
    'system:anonymous',
    '',
    7,
    undefined,
  ])('requires a service account: refuses %j (T02)', async (username) => {
    cluster = await fakeCluster({ mode });
    cluster.fake.script('review', reviewing({}, { username }));
    expect(await refusal()).toBe(refused('not_a_service_account'));
  });

  it.each([
    reviewed({ username: 'system:serviceaccount:prod:admin' }),
    reviewed({ username: 'system:serviceaccount:dev:api' }),
    reviewed({ uid: 'another-uid' }),
    reviewed({ extra: {} }),
    reviewed({ extra: undefined }),
    reviewed({}, { 'authentication.kubernetes.io/pod-uid': ['another-uid'] }),
    reviewed({}, { 'authentication.kubernetes.io/pod-name': ['api-1'] }),
    reviewed({}, { 'authentication.kubernetes.io/node-name': ['node-2'] }),
    reviewed({}, { 'authentication.kubernetes.io/node-uid': ['node-uid-2'] }),
    reviewed({}, { 'authentication.kubernetes.io/credential-id': ['JTI=another'] }),
  ])(
    'requires the account, pod, node and token that the token names: %j (T03)',
    async ({ user, extra }) => {
      cluster = await fakeCluster({ mode });
      cluster.fake.script('review', reviewing({}, user, extra));
      expect(await refusal()).toBe(refused('claim_mismatch'));
    },
  );

  it.each([
    { authenticated: false },
    { authenticated: undefined },
    { authenticated: 'true' },
    { authenticated: false, error: 'canary' },
  ])('is refused if the API server does not authenticate the token: %j', async (status) => {
    cluster = await fakeCluster({ mode });
    cluster.fake.script('review', reviewing(status));
    expect(await refusal()).toBe(refused('review_refused'));
  });

  it('is refused for an account that was deleted and created again under its name (T03)', async () => {
    cluster = await fakeCluster({ mode });
    const token = cluster.token();
    cluster.fake.createAccount('prod', 'api');
    expect(await refusal(token)).toBe(refused('review_refused'));
  });

  it('records both UIDs if they differ, and none if they are equal (T03)', async () => {
    cluster = await fakeCluster({ mode });
    const claimedUid = cluster.fake.accounts.get('prod/api');
    const failing = async (user: Members): Promise<unknown> => {
      cluster.fake.script('review', reviewing({}, user));
      return cluster.authenticate(cluster.token()).catch((error: unknown) => error);
    };
    const other = await failing({ uid: 'another-uid' });
    expect(AccountMismatch.factsOf(other)).toEqual({ claimedUid, reviewedUid: 'another-uid' });
    expect(inspect(other, { depth: 9, showHidden: true })).not.toContain('another-uid');
    const renamed = await failing({ username: 'system:serviceaccount:prod:admin' });
    expect(AccountMismatch.factsOf(renamed)).toEqual({});
    const person = await failing({ username: 'alice', uid: 'another-uid' });
    expect(AccountMismatch.factsOf(person)).toEqual({});
  });

  it('is refused once the pod is gone or another has its name', async () => {
    cluster = await fakeCluster({ mode });
    const token = cluster.token();
    cluster.fake.pods.remove(cluster.pod);
    expect(await refusal(token)).toBe(refused('review_refused'));
    cluster.fake.pods.create({ namespace: 'prod', name: 'api-0', serviceAccount: 'api' });
    expect(await refusal(token)).toBe(refused('review_refused'));
  });

  it.each<[string, ServerFault]>([
    ['breaks off', drop],
    ['refuses the request', answer(403, {})],
    ['does not authenticate the broker', answer(401, {})],
    ['has no such path', answer(404, {})],
    ['is overloaded', answer(429, {}, { 'retry-after': '3' })],
    ['fails', answer(500, {})],
    ['redirects', redirect('https://evil.test/')],
    ['sends HTML', answer(200, '<html>')],
    ['does not stop', flood],
  ])('fails as unavailable while the API server %s (T06, F45)', async (_, fault) => {
    cluster = await fakeCluster({ mode });
    cluster.fake.script('review', fault);
    expect(await refusal()).toBe(UNAVAILABLE);
  });

  it.each([
    {},
    { kind: 'Status' },
    { kind: 'TokenReview' },
    [],
    null,
    { kind: 'TokenReview', status: [] },
  ])('fails as unavailable for an answer that is not a review: %j', async (body) => {
    cluster = await fakeCluster({ mode });
    cluster.fake.script('review', answer(201, body));
    expect(await refusal()).toBe('ERR_IDENTITY_UNAVAILABLE review_malformed');
  });

  it.each([
    ['two-uids', ['a', 'b']],
    ['no list', 'a'],
    ['empty', []],
  ])('fails as unavailable for %s for one pod', async (_, uids) => {
    cluster = await fakeCluster({ mode });
    const extra = { 'authentication.kubernetes.io/pod-uid': uids };
    cluster.fake.script('review', reviewing({}, {}, extra));
    expect(await refusal()).toBe('ERR_IDENTITY_UNAVAILABLE review_malformed');
  });

  it.each([
    ['stays silent', stall],
    ['drips', drip],
  ])('fails after ten seconds when the API server %s', async (_, fault) => {
    cluster = await fakeCluster({ mode });
    cluster.fake.script('review', fault);
    const attempt = refusal();
    await until('the review came', () => Promise.resolve(cluster.fake.countOf('review') === 1));
    cluster.clock.advance(10_000);
    expect(await attempt).toBe(UNAVAILABLE);
  });

  it('ends with its caller’s deadline', async () => {
    cluster = await fakeCluster({ mode });
    cluster.fake.script('review', stall);
    const deadline = new AbortController();
    const attempt = refusalOf(cluster.authenticate(cluster.token(), deadline.signal));
    await until('the review came', () => Promise.resolve(cluster.fake.countOf('review') === 1));
    deadline.abort();
    expect(await attempt).toBe('ERR_IDENTITY_UNAVAILABLE deadline');
    cluster.clock.advance(10_000);
  });

  it('shares one review with identical concurrent tokens, and caches no answer', async () => {
    cluster = await fakeCluster({ mode });
    const token = cluster.token();
    const other = cluster.token({ exp: Math.floor(Date.now() / 1000) + 500 });
    const logins = Array.from({ length: 50 }, () => cluster.authenticate(token));
    await Promise.all([...logins, cluster.authenticate(other)]);
    expect(cluster.fake.countOf('review')).toBe(2);
    await cluster.authenticate(token);
    expect(cluster.fake.countOf('review')).toBe(3);
  });

  it('is refused when the token expired during the review', async () => {
    cluster = await fakeCluster({ mode });
    const held = Promise.withResolvers<undefined>();
    cluster.fake.script('review', (request, response) => {
      void held.promise.then(() => reviewing()(request, response));
    });
    const attempt = refusal(cluster.token({ exp: Math.floor(cluster.clock.now() / 1000) + 3 }));
    await until('the review came', () => Promise.resolve(cluster.fake.countOf('review') === 1));
    cluster.clock.setWall(cluster.clock.now() + 40_000);
    held.resolve(undefined);
    expect(await attempt).toBe(refused('expired'));
  });

  it('sends no token that is not of this cluster and for the broker', async () => {
    cluster = await fakeCluster({ mode });
    await cluster.authenticate(cluster.token());
    const asked = cluster.fake.countOf('review');
    const payload = { iss: 'https://evil.test' };
    for (const token of [
      'garbage',
      'a'.repeat(20_000),
      cluster.token({ iss: 'https://other.test' }),
      cluster.token({ aud: ['https://kubernetes.default.svc'] }),
      cluster.token({ exp: 1e9 }),
      cluster.token({ 'kubernetes.io': {} }),
      rawToken({ header: { alg: 'none' }, payload }),
      rawToken({ header: { alg: 'ES256', kid: 'key-1', jwk: {} }, payload }),
    ]) {
      expect(await refusal(token)).toMatch(/^ERR_TOKEN_INVALID /);
    }
    expect(cluster.fake.countOf('review')).toBe(asked);
    const unsigned = rawToken({ header: { alg: 'none', kid: 'key-1' }, payload });
    expect(await refusal(unsigned)).toBe(refused('bad_alg'));
  });
});

function reviewed(user: Members, extra: Members = {}): { user: Members; extra: Members } {
  return { user, extra };
}

describe('a login by both', () => {
  it('is refused offline first, whatever the API server would answer', async () => {
    cluster = await fakeCluster({ mode: 'both' });
    cluster.fake.script('review', reviewing());
    const [header = '', payload = ''] = cluster.token().split('.');
    const forged = `${header}.${payload}.${'A'.repeat(86)}`;
    expect(await refusal(forged)).toBe(refused('bad_signature'));
    expect(cluster.fake.countOf('review')).toBe(0);
  });

  it('fails as unavailable while the keys are absent', async () => {
    cluster = await fakeCluster({ mode: 'both' });
    cluster.fake.script('jwks', answer(500, {}));
    expect(await refusal()).toBe('ERR_IDENTITY_UNAVAILABLE keys_unavailable');
  });
});
