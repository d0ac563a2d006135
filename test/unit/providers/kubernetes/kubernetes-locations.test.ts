import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { SecretProvider } from '../../../../src/ports/secret-provider.ts';
import { kubernetesProviderConnectionSchema } from '../../../../src/providers/kubernetes/config.ts';
import { FakeApiServer } from '../../../kit/fakes/fake-api-server.ts';
import { connectTo } from '../../../kit/fakes/faulty-kubernetes.ts';
import type { ClosableProvider } from '../../../kit/providers/closable-provider.ts';

const refusal = (code: string) => expect.objectContaining({ code });

describe('places in Kubernetes', () => {
  let fake: FakeApiServer;
  let connection: ClosableProvider;
  let provider: SecretProvider;

  beforeAll(async () => {
    fake = await FakeApiServer.start();
    connection = await connectTo(fake);
    provider = connection.mount({ namespace: 'payments' });
  });
  afterAll(async () => {
    await connection.close();
    await fake.close();
  });

  it('are Secrets of one namespace, or keys of them', () => {
    expect(provider.covers).toBe('payments/');
    expect(provider.locate('db')).toBe('payments/db');
    expect(provider.locate('db/tls.crt')).toBe('payments/db/tls.crt');
    expect(provider.locate('x', { name: 'db', key: 'K_e-y.1' })).toBe('payments/db/K_e-y.1');
    expect(provider.locate('x', { serviceAccount: 'a', audiences: ['b'] })).toBe(
      'payments/serviceaccounts/a/token',
    );
  });

  it.each([
    '',
    '../../nodes',
    '..',
    'a/..',
    'a/../b',
    'db?fieldSelector=x',
    'db%2f..%2fnodes',
    'Db',
    '-a',
    'a-',
    'a..b',
    'a_b',
    'a/b/c',
    'a/',
    '/a',
    'a/b c',
    'a/%00',
    'a'.repeat(254),
  ])('are never at %p (B04)', (rest) => {
    expect(() => provider.locate(rest)).toThrow(refusal('ERR_PATH_INVALID'));
    expect(fake.requests).toHaveLength(0);
  });

  it.each([
    { name: '../x' },
    { name: 'db', namespace: 'kube-system' },
    { name: 'db', key: '..' },
    { name: 'db', key: 'a/b' },
    { serviceAccount: '../x', audiences: ['a'] },
    { serviceAccount: 'a', audiences: [] },
    { serviceAccount: 'a' },
    { serviceAccount: 'a', audiences: ['a'], namespace: 'other' },
    { serviceAccount: 'a', audiences: ['ok', 'quaymaster.test'] },
    { serviceAccount: 'a', audiences: ['a'], expirationSeconds: 60 },
    { serviceAccount: 'a', audiences: ['a'], expirationSeconds: 1e9 },
    { serviceAccount: 'a', audiences: ['a'], name: 'db' },
    'db',
    null,
  ])('refuse the reference %j', (ref) => {
    expect(() => provider.locate('x', ref)).toThrow(refusal('ERR_BODY_INVALID'));
  });

  it.each([
    { namespace: 'quaymaster' },
    { namespace: 'kube-system' },
    { namespace: 'kube-public' },
    { namespace: 'kube-node-lease' },
    { namespace: '../x' },
    { namespace: 'A' },
    { namespace: '' },
    { namespace: 'a.b' },
    { namespace: 'a', fieldSelector: 'x' },
    {},
    null,
  ])('are not mounted with the options %j (B04)', (options) => {
    expect(() => connection.mount(options)).toThrow(refusal('ERR_BODY_INVALID'));
  });

  it.each([
    { insecureSkipTlsVerify: true },
    { server: 'http://127.0.0.1:1' },
    { limits: { timeoutMs: 0 } },
    { locators: 'x' },
  ])('are not reached by a connection with %j', (over) => {
    const config = { ...fake.access, ...over };
    expect(kubernetesProviderConnectionSchema.safeParse(config).success).toBe(false);
  });
});
