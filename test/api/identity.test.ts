import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { configSchema } from '../../src/program/config/schema.ts';
import { FakeApiServer } from '../kit/fakes/fake-api-server.ts';
import type { FakePod } from '../kit/fakes/fake-pods.ts';
import {
  answer,
  drip,
  flood,
  gzipBomb,
  redirect,
  type ServerFault,
} from '../kit/fakes/server-faults.ts';
import { until } from '../kit/backends/until.ts';
import { expectDenied } from '../kit/api/deny-contract.ts';
import { HandClock } from '../kit/time/hand-clock.ts';
import { RunningApi, type Answered } from '../kit/api/running-api.ts';
import type { StoredEntry } from '../kit/store/store-diff.ts';
import { listRows } from '../kit/store/table-rows.ts';
import { movedUntil } from '../kit/time/moved.ts';

const AUDIENCE = 'quaymaster';
const HOUR_MS = 3_600_000;
const MANY = 100;
const GOOD_NAMES = { commonName: 'kube-apiserver', ipAddresses: ['127.0.0.1'] };

const clock = new HandClock(Date.now());
/** An API server for reviews, one for discovery of keys, and untrusted ones. */
let kube: FakeApiServer;
let issuer: FakeApiServer;
let evil: FakeApiServer;
let misnamed: FakeApiServer;
let expired: FakeApiServer;
let foreign: FakeApiServer;
let pod: FakePod;
let api: RunningApi;
let clusters = 0;

beforeAll(async () => {
  kube = await FakeApiServer.start();
  issuer = await FakeApiServer.start();
  evil = await FakeApiServer.start();
  misnamed = await FakeApiServer.start({ commonName: 'other', dnsNames: ['other.test'] });
  expired = await FakeApiServer.start({ ...GOOD_NAMES, notAfter: new Date(Date.now() - 60_000) });
  foreign = await FakeApiServer.start();
  kube.createAccount('prod', 'api');
  pod = kube.pods.create({ namespace: 'prod', name: 'api-0', serviceAccount: 'api' });
  const rate = { perSecond: 10_000, burst: 1_000_000 };
  api = await RunningApi.start({
    clock,
    limits: { addressRate: rate, loginRate: rate },
    refusals: { entriesPerWindow: 1_000 },
    connections: {
      kube: kube.access,
      misnamed: misnamed.access,
      expired: expired.access,
      foreign: { ...foreign.access, caFile: kube.caFile },
      issuer: { type: 'jwks', issuerUrl: issuer.address, caFile: issuer.caFile },
    },
  });
  await api.seed();
});
afterAll(async () => {
  await api.stop();
  for (const fake of [kube, issuer, evil, misnamed, expired, foreign]) await fake.close();
});

type Members = Readonly<Record<string, unknown>>;

/** Registers one more cluster. @returns its name. */
async function register(connection: string, more: Members = {}): Promise<string> {
  clusters += 1;
  const name = `made-${clusters}`;
  const common = { issuer: kube.issuer, audiences: [AUDIENCE], podWatch: false };
  await api.put(`clusters/${name}`, { connection, ...common, ...more });
  return name;
}

/** A token of the pod, issued this hour, with changed claims. */
function tokenOf(changes: Members = {}): string {
  const seconds = Math.floor(clock.now() / 1000);
  const times = { iat: seconds, nbf: seconds, exp: seconds + 3_600 };
  const wish = { namespace: 'prod', serviceAccount: 'api', audience: [AUDIENCE], pod };
  return kube.token(wish, { ...times, ...changes });
}

function logIn(cluster: string, token = tokenOf()): Promise<Answered> {
  return api.call('POST', '/api/v1/sessions', { body: { cluster, token } });
}

interface Refusal {
  readonly reason: string;
  readonly token?: string;
  readonly asked?: () => number;
}

async function refuses(cluster: string, { reason, token, asked }: Refusal): Promise<StoredEntry> {
  const shown = token ?? tokenOf();
  const entry = await expectDenied(api, {
    status: 401,
    code: 'ERR_TOKEN_INVALID',
    reason,
    unechoed: [shown, reason],
    ...(asked && { asked }),
    send: () => logIn(cluster, shown),
  });
  expect(entry.actor).toEqual({ kind: 'unauthenticated' });
  return entry;
}

async function cannotTell(cluster: string, { reason, token, asked }: Refusal): Promise<void> {
  const shown = token ?? tokenOf();
  const entry = await expectDenied(api, {
    status: 503,
    code: 'ERR_IDENTITY_UNAVAILABLE',
    outcome: 'error',
    reason,
    unechoed: [shown, reason, '127.0.0.1'],
    ...(asked && { asked }),
    send: () => logIn(cluster, shown),
  });
  expect(entry.actor).toEqual({ kind: 'unauthenticated' });
}

/** A valid answer of the API server, with changes of its status and of its user. */
function reviewing(status: Members, user: Members = {}): ServerFault {
  const extra = {
    'authentication.kubernetes.io/pod-name': [pod.metadata.name],
    'authentication.kubernetes.io/pod-uid': [pod.metadata.uid],
  };
  const username = 'system:serviceaccount:prod:api';
  const uid = kube.accounts.get('prod/api');
  return answer(201, {
    kind: 'TokenReview',
    status: {
      authenticated: true,
      audiences: [AUDIENCE],
      user: { username, uid, extra, ...user },
      ...status,
    },
  });
}

describe('a login with token review', () => {
  let cluster: string;
  beforeAll(async () => {
    cluster = await register('kube', { mode: 'token-review' });
  });

  const withReview = async (fault: ServerFault, work: () => Promise<unknown>): Promise<void> => {
    kube.script('review', fault);
    try {
      await work();
    } finally {
      kube.script('review', undefined);
    }
    expect((await logIn(cluster)).status).toBe(201);
  };

  it.each([{ audiences: undefined }, { audiences: [] }, { audiences: ['https://other.test'] }])(
    "is refused if the API server did not check the broker's audience: %j (T01)",
    async (status) => {
      await withReview(reviewing(status), () => refuses(cluster, { reason: 'review_aud' }));
    },
  );

  it.each(['alice', 'system:node:n1', 'system:serviceaccount:ns:a:b', 'system:serviceaccount:ns:'])(
    'is refused to %s, which is not a service account (T02)',
    async (username) => {
      const reason = 'not_a_service_account';
      await withReview(reviewing({}, { username }), () => refuses(cluster, { reason }));
    },
  );

  it('is refused with the token of an account that was deleted and created again (T03)', async () => {
    const reason = 'claim_mismatch';
    const claimedUid = kube.accounts.get('prod/api');
    for (const [uid, recorded] of [
      ['uid-of-the-new-one', 'uid-of-the-new-one'],
      [`\u001b[2J${'u'.repeat(5_000)}`, expect.stringMatching(/^.{21}\.\.\.\[5004 characters/s)],
    ] as const)
      await withReview(reviewing({}, { uid }), async () => {
        const entry = await refuses(cluster, { reason });
        expect(entry).toMatchObject({ claimedUid, reviewedUid: recorded });
      });
    const session = (await logIn(cluster)).body['token'] as string;
    const shown = tokenOf();
    await withReview(reviewing({}, { uid: 'uid-of-the-new-one' }), async () => {
      const entry = await expectDenied(api, {
        status: 401,
        code: 'ERR_TOKEN_INVALID',
        reason,
        unechoed: [shown, reason],
        send: () =>
          api.call('POST', '/api/v1/sessions/self/renew', {
            token: session,
            body: { token: shown },
          }),
      });
      const uids = { claimedUid, reviewedUid: 'uid-of-the-new-one' };
      expect(entry).toMatchObject({ action: 'session.renew', ...uids });
    });
    const old = tokenOf();
    kube.createAccount('prod', 'api');
    await refuses(cluster, { reason: 'review_refused', token: old });
    expect((await logIn(cluster)).status).toBe(201);
  });
});

describe('an untrusted API server', () => {
  it.each([
    ['another name', 'misnamed', () => misnamed],
    ['an expired certificate', 'expired', () => expired],
    ['another authority', 'foreign', () => foreign],
  ])(
    'receives no token, and its logins are refused: %s (T06)',
    async (_what, connection, server) => {
      const asked = (): number => server().requests.length;
      for (const [mode, reason] of [
        ['token-review', 'review_unavailable'],
        ['both', 'keys_unavailable'],
        ['jwks', 'keys_unavailable'],
      ] as const)
        await cannotTell(await register(connection, { mode }), { reason, asked });
      expect(asked()).toBe(0);
    },
  );

  it.each([{ insecureSkipTlsVerify: true }, { rejectUnauthorized: false }, { server: 'http://a' }])(
    'cannot be trusted by configuration: %j (T06)',
    (more) => {
      const { connections } = configSchema.shape;
      const parse = (connection: object): boolean =>
        connections.safeParse({ kube: connection }).success;
      expect(parse(kube.access)).toBe(true);
      expect(parse({ ...kube.access, ...more })).toBe(false);
    },
  );
});

describe('unknown key names', () => {
  it('cause one fetch in thirty seconds, however many logins name them, and affect no other login (T07)', async () => {
    const cluster = await register('kube');
    expect((await logIn(cluster)).status).toBe(201);
    const fetched = (): number => kube.countOf('jwks');
    const made = (n: number): string => {
      const [, ...rest] = tokenOf().split('.');
      const header = Buffer.from(JSON.stringify({ alg: 'ES256', kid: `made-up-${n}` }));
      return [header.toString('base64url'), ...rest].join('.');
    };
    const storm = async (): Promise<void> => {
      const logins = Array.from({ length: MANY }, (_, n) => logIn(cluster, made(n)));
      expect((await logIn(cluster)).status).toBe(201);
      const statuses = (await Promise.all(logins)).map(({ status }) => status);
      expect(new Set(statuses)).toEqual(new Set([401]));
    };
    await refuses(cluster, { reason: 'key_not_trusted', token: made(0), asked: fetched });
    const before = fetched();
    await storm();
    expect(fetched()).toBe(before);
    clock.advance(31_000);
    await storm();
    const others = clusters;
    expect(fetched() - before).toBeLessThanOrEqual(others);
    const after = fetched();
    await storm();
    expect(fetched()).toBe(after);
  });
});

describe('keys from discovery', () => {
  const discover = (): Promise<string> => register('issuer', { issuer: issuer.address });
  const asked = (): number => issuer.countOf('jwks') + evil.requests.length;

  it.each([
    ['another issuer', () => ({ issuer: 'https://other.test' })],
    ['an address without TLS', () => ({ jwks_uri: issuer.address.replace('https:', 'http:') })],
    ['a file', () => ({ jwks_uri: 'file:///etc/passwd' })],
    ['a metadata service', () => ({ jwks_uri: 'https://169.254.169.254/latest/meta-data' })],
    [
      'a host that the connection does not name',
      () => ({ jwks_uri: `${evil.address}/openid/v1/jwks` }),
    ],
  ])('are not fetched if the document names %s (T09)', async (_what, document) => {
    issuer.discovery = document();
    const token = tokenOf({ iss: issuer.address });
    await cannotTell(await discover(), { reason: 'keys_unavailable', token, asked });
    issuer.discovery = {};
  });

  it.each(['discovery', 'jwks'] as const)(
    'are not fetched if %s redirects to (T09)',
    async (operation) => {
      issuer.script(operation, redirect(`${evil.address}/openid/v1/jwks`));
      const token = tokenOf({ iss: issuer.address });
      await cannotTell(await discover(), { reason: 'keys_unavailable', token });
      expect(evil.requests).toEqual([]);
      issuer.script(operation, undefined);
    },
  );

  it('are not fetched without TLS, or for a cluster with another issuer (T09)', async () => {
    const { connections } = configSchema.shape;
    const issuerUrl = issuer.address.replace('https:', 'http:');
    expect(connections.safeParse({ a: { type: 'jwks', issuerUrl } }).success).toBe(false);
    const body = { connection: 'issuer', issuer: kube.issuer, audiences: [AUDIENCE] };
    await expectDenied(api, {
      status: 400,
      code: 'ERR_BODY_INVALID',
      asked: () => issuer.requests.length,
      send: () =>
        api.call('PUT', '/api/v1/clusters/other-issuer', {
          token: api.admin,
          body: { ...body, podWatch: false },
          headers: { 'If-None-Match': '*' },
        }),
    });
  });
});

describe('a key set', () => {
  const withKeys = async (fault: ServerFault, work: () => Promise<void>): Promise<void> => {
    kube.script('jwks', fault);
    try {
      await work();
    } finally {
      kube.script('jwks', undefined);
    }
  };

  it.each([
    ['does not stop', flood],
    ['is 50 MB in a small parcel', gzipBomb],
    ['has a hundred keys too many', keys(200)],
    ['has no key', keys(0)],
  ])('is refused if it %s (T10)', async (_what, fault) => {
    await withKeys(fault, async () => {
      await cannotTell(await register('kube'), { reason: 'keys_unavailable' });
    });
  });

  it('is refused after five seconds if it arrives byte by byte (T10)', async () => {
    await withKeys(drip, async () => {
      const fetched = kube.countOf('jwks');
      const cluster = await register('kube');
      await until('it is asked for', () => Promise.resolve(kube.countOf('jwks') > fetched));
      let isOver = false;
      const login = cannotTell(cluster, { reason: 'keys_unavailable' }).finally(() => {
        isOver = true;
      });
      await movedUntil('the login is answered', { clock, stepMs: 1_000 }, () =>
        Promise.resolve(isOver),
      );
      await login;
    });
  });

  it('serves for one hour while no new one can be fetched, and no longer (T10)', async () => {
    const cluster = await register('kube');
    expect((await logIn(cluster)).status).toBe(201);
    await withKeys(keys(0), async () => {
      clock.advance(HOUR_MS - 60_000);
      expect((await logIn(cluster)).status).toBe(201);
      clock.advance(120_000);
      await until('expired sessions are gone', async () => {
        const upTo = { ends_at: clock.now() };
        const over = await listRows(api.broker.parts.store, 'sessions', { upTo, limit: 1 });
        return over.length === 0;
      });
      await cannotTell(cluster, { reason: 'keys_unavailable' });
    });
    await movedUntil('they are read again', { clock, stepMs: 31_000 }, async () => {
      return (await logIn(cluster)).status === 201;
    });
  });

  function keys(count: number): ServerFault {
    return (request, response) => {
      const { jwk } = kube.keys[0]!;
      const set = Array.from({ length: count }, (_, n) => ({ ...jwk, kid: `key-${n}` }));
      answer(200, { keys: set })(request, response);
    };
  }
});
