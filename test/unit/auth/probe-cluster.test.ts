import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { probeCluster } from '../../../src/auth/index.ts';
import { BrokerError } from '../../../src/domain/errors.ts';
import type { ClusterSpec } from '../../../src/domain/identity/cluster.ts';
import type { KubernetesApi, KubernetesRequest } from '../../../src/ports/kubernetes-api.ts';
import type { CheckReport } from '../../../src/ports/secret-provider.ts';
import { CertificateAuthority } from '../../kit/network/certificates.ts';
import { ecKey } from '../../kit/identity/token-factory.ts';
import { SPEC } from '../../kit/identity/offline-cluster.ts';
import { HandClock } from '../../kit/time/hand-clock.ts';

type Answer = (request: KubernetesRequest) => unknown;

const NOW = Date.UTC(2026, 0, 1, 12);
const denied = (): never => {
  throw new BrokerError('ERR_PROVIDER_DENIED', undefined, { reason: 'http_403' });
};
const account = (time = '2026-01-01T12:00:00Z') => ({
  metadata: { creationTimestamp: time },
  status: { userInfo: { username: 'system:serviceaccount:quaymaster:broker' } },
});
const allowed = (isAllowed = true) => ({ status: { allowed: isAllowed } });

/** Answers of a server that gives the broker all that it needs, by the last segment of the path. */
const GOOD: Readonly<Record<string, Answer>> = {
  selfsubjectreviews: () => account(),
  jwks: () => ({ keys: [ecKey('key-1').jwk] }),
  tokenreviews: () => ({ kind: 'TokenReview', status: { authenticated: false } }),
  'openid-configuration': () => ({ issuer: SPEC.issuer }),
  selfsubjectaccessreviews: () => allowed(),
};

function check(
  changes: Readonly<Record<string, Answer>> = {},
  spec: Partial<ClusterSpec> = {},
  watched: readonly string[] = [],
): Promise<CheckReport> {
  const api: KubernetesApi = {
    server: 'https://east.test',
    call: (request) =>
      new Promise((resolve) =>
        resolve({ ...GOOD, ...changes }[request.path.at(-1) ?? '']?.(request)),
      ),
    stream: () => Promise.reject(new Error('nothing is watched')),
    close: () => undefined,
  };
  return probeCluster({
    name: 'east',
    spec: { ...SPEC, mode: 'both', podWatch: true, ...spec } as ClusterSpec,
    connection: { type: 'kubernetes', api },
    watched,
    clock: new HandClock(NOW),
  });
}

describe('the check of a cluster', () => {
  it('names the account, the clock, the keys, the reviews, the issuer and the rights', async () => {
    expect(await check()).toEqual({
      healthy: true,
      findings: [
        'https://east.test: answers, and knows the broker as system:serviceaccount:quaymaster:broker',
        'clock: within 30 seconds of the broker',
        'keys: 1 for the signatures of tokens',
        'reviews: the broker may have tokens reviewed',
        `issuer: ${SPEC.issuer}`,
        'rights: may get pods in all namespaces',
        'rights: may list pods in all namespaces',
        'rights: may watch pods in all namespaces',
      ],
    });
  });

  it.each([
    ['2026-01-01T12:00:30Z', true, 'within 30 seconds'],
    ['2026-01-01T12:00:31Z', false, '31 seconds ahead of the broker'],
    ['2026-01-01T11:59:29Z', true, 'within 30 seconds'],
    ['2026-01-01T11:59:28Z', false, '31 seconds behind the broker'],
  ])('compares the clock of a server at %s', async (time, healthy, text) => {
    const report = await check({ selfsubjectreviews: () => account(time) });
    expect(report.healthy).toBe(healthy);
    expect(report.findings[1]).toContain(text);
  });

  it.each([
    ['jwks', denied, 'get of the URL /openid/v1/jwks'],
    ['jwks', () => ({ keys: [] }), 'keys: cannot be loaded'],
    ['tokenreviews', denied, 'create of tokenreviews.authentication.k8s.io'],
    ['tokenreviews', () => 'html', 'reviews: fail'],
    ['selfsubjectaccessreviews', () => allowed(false), 'may not watch pods in all namespaces'],
    ['selfsubjectaccessreviews', () => ({}), 'may not watch pods in all namespaces'],
    ['selfsubjectaccessreviews', denied, 'is not known'],
    ['openid-configuration', () => ({ issuer: 'https://other.test' }), '"https://other.test"'],
  ])('says what to do about a failing %s', async (resource, answer, text) => {
    const report = await check({ [resource]: answer });
    expect(report.healthy).toBe(false);
    expect(report.findings.join('\n')).toContain(text);
  });

  it.each([
    ['ERR_PROVIDER_DENIED', 'the credential is not accepted'],
    ['ERR_PROVIDER_UNAVAILABLE', 'cannot be reached'],
    ['ERR_PROVIDER_TIMEOUT', 'no answer in time'],
  ] as const)('asks nothing else of a server that answers %s', async (code, text) => {
    const fail = (): never => {
      throw new BrokerError(code);
    };
    const report = await check({ selfsubjectreviews: fail, jwks: fail });
    expect(report).toEqual({ healthy: false, findings: [expect.stringContaining(text)] });
  });

  it('takes a server that answers something else for what it is', async () => {
    const report = await check({ selfsubjectreviews: () => 'hello' });
    expect(report.findings).toEqual([expect.stringContaining('not a Kubernetes API server')]);
  });

  it('does without the name of the account on an old server, and without its issuer', async () => {
    const absent = (): never => {
      throw new BrokerError('ERR_NOT_FOUND');
    };
    const report = await check({ selfsubjectreviews: absent, 'openid-configuration': denied });
    expect(report.healthy).toBe(true);
    expect(report.findings.join('\n')).not.toMatch(/clock|issuer/);
  });

  it('asks for what the mode and the profiles need, and for nothing else', async () => {
    const spec = { mode: 'jwks', podWatch: false } as const;
    const asked: unknown[] = [];
    const keep = ({ body }: KubernetesRequest) => {
      asked.push((body as { spec: { resourceAttributes: object } }).spec.resourceAttributes);
      return allowed();
    };
    const report = await check({ selfsubjectaccessreviews: keep }, spec, ['networkpolicies']);
    expect(report.findings.join('\n')).not.toContain('reviews:');
    expect(asked).toEqual(
      ['list', 'watch'].map((verb) => ({
        group: 'networking.k8s.io',
        resource: 'networkpolicies',
        verb,
      })),
    );
  });

  it('never trusts a server that accepts a text that is not a token', async () => {
    const user = { username: 'system:serviceaccount:prod:api', uid: '1', groups: [], extra: {} };
    const status = { authenticated: true, user, audiences: SPEC.audiences };
    const answer = { kind: 'TokenReview', status };
    const report = await check({ tokenreviews: () => answer });
    expect(report.findings.join('\n')).toContain('do not use this cluster');
  });
});

describe('the check of a cluster without an API server', () => {
  let directory: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'quaymaster-probe-'));
  });
  afterAll(() => rm(directory, { recursive: true }));

  it.each([
    ['keys', JSON.stringify({ keys: [ecKey('key-1').jwk] }), 'keys: 1 for the signatures'],
    ['keys', '{}', 'keys: cannot be loaded'],
    ['bundle', new CertificateAuthority().cert, 'bundle: 1 certificates'],
    ['bundle', 'none', 'has no certificate'],
  ])('reads its %s', async (kind, text, expected) => {
    const file = join(directory, 'file');
    await writeFile(file, text);
    const connection =
      kind === 'keys'
        ? ({ type: 'jwks', file } as const)
        : ({ type: 'spiffe', trustDomain: 'example.org', bundleFile: file } as const);
    const clock = new HandClock(NOW);
    const spec = { ...SPEC, mode: 'jwks', podWatch: false } as ClusterSpec;
    const report = await probeCluster({ name: 'ci', spec, connection, watched: [], clock });
    expect(report.findings).toEqual([expect.stringContaining(expected)]);
  });
});
