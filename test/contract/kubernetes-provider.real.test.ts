import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { ProviderConnection, SecretProvider } from '../../src/ports/secret-provider.ts';
import { ANCHOR_LABEL } from '../../src/providers/kubernetes/credentials.ts';
import { describeWith } from '../kit/backends/backends.ts';
import { grant } from '../kit/backends/kube-apply.ts';
import { createNamespace, createServiceAccount } from '../kit/backends/kube-objects.ts';
import { boundToken, reviewToken } from '../kit/backends/kube-tokens.ts';
import type { Kube } from '../kit/backends/kube.ts';
import { uniqueName } from '../kit/backends/unique-name.ts';
import { until } from '../kit/backends/until.ts';
import { dynamicCredentialsContract } from './dynamic-credentials.contract.ts';
import { KubernetesConnections, OWN, SecretOwner } from '../kit/cluster/kubernetes-fixture.ts';
import { contextOf, failureOf, secretProviderContract } from './secret-provider.contract.ts';

/** Exactly the permissions of docs/providers/kubernetes.md. */
const RULES = [
  { apiGroups: [''], resources: ['secrets'], verbs: ['get', 'list', 'create', 'delete'] },
  { apiGroups: [''], resources: ['serviceaccounts/token'], verbs: ['create'] },
];
const AUDIENCE = 'https://registry.test';

async function brokerToken(kube: Kube, rules = RULES): Promise<string> {
  const name = uniqueName('broker');
  await createServiceAccount(kube, 'default', name);
  if (rules.length > 0) await grant(kube, { namespace: 'default', name }, rules);
  return boundToken(kube, { namespace: 'default', serviceAccount: name, audience: kube.issuer });
}

describeWith(['kube'], 'kube-apiserver', ({ kube }) => {
  const open = async (namespace: string) => {
    await createNamespace(kube, namespace);
    const connections = await KubernetesConnections.create(kube);
    const connection = await connections.connect(await brokerToken(kube));
    return { connections, connection, provider: connection.mount({ namespace }) };
  };

  secretProviderContract(
    'Kubernetes',
    async () => {
      const namespace = uniqueName('ns');
      const { connections, provider } = await open(namespace);
      const denied = await connections.connect(await brokerToken(kube, []));
      const owner = new SecretOwner(kube, namespace);
      return {
        provider,
        denied: denied.mount({ namespace }),
        put: (name, data) => owner.put(name, data),
        remove: (name) => owner.remove(name),
        close: () => connections.close(),
      };
    },
    { unversioned: true, flat: true, refusedNames: ['A', '+', '..', 'U', '_'] },
  );

  dynamicCredentialsContract(
    'Kubernetes',
    async () => {
      const namespace = uniqueName('ns');
      const { connections, provider } = await open(namespace);
      await createServiceAccount(kube, namespace, 'deployer');
      const owner = new SecretOwner(kube, namespace);
      const live = () => owner.labelled(ANCHOR_LABEL);
      const works = async (data: Readonly<Record<string, unknown>>): Promise<boolean> => {
        // The same token is not reviewed twice within ten seconds after a success, because the server caches it.
        const review = await reviewToken(kube, String(data['token']), [AUDIENCE]);
        return review.authenticated === true;
      };
      return {
        provider,
        restart: async () =>
          (await connections.connect(await brokerToken(kube))).mount({ namespace }),
        path: 'deploy-token',
        ref: { serviceAccount: 'deployer', audiences: [AUDIENCE], expirationSeconds: 600 },
        live,
        works: async (data) => {
          let answer = await works(data);
          const isGone = (await live()).length === 0;
          if (isGone)
            await until('the server forgets the token', async () => !(answer = await works(data)));
          return answer;
        },
        settled: async (expected) => {
          await until(`${expected} anchors`, async () => (await live()).length === expected);
          expect(await live()).toHaveLength(expected);
        },
        close: () => connections.close(),
      };
    },
    { notRenewable: true, resumable: true },
  );

  describe('Kubernetes Secrets', () => {
    const namespace = uniqueName('ns');
    let connections: KubernetesConnections;
    let connection: ProviderConnection;
    let provider: SecretProvider;
    let owner: SecretOwner;
    const read = (locator: string) => provider.read(locator, undefined, contextOf());

    beforeAll(async () => {
      ({ connections, connection, provider } = await open(namespace));
      owner = new SecretOwner(kube, namespace);
    });
    afterAll(() => connections.close());

    it('reads text as text and other bytes as base64, whole and by key', async () => {
      await owner.put('tls', { 'tls.crt': 'PEM', der: Uint8Array.of(0x30, 0xff), bom: '\ufeffx' });
      const data = { 'tls.crt': 'PEM', der: { base64: 'MP8=' }, bom: '\ufeffx' };
      expect(await read(provider.locate('tls'))).toEqual({ data, version: '' });
      expect((await read(provider.locate('tls/der'))).data).toEqual({ der: { base64: 'MP8=' } });
      expect((await read(provider.locate('x', { name: 'tls', key: 'tls.crt' }))).data).toEqual({
        'tls.crt': 'PEM',
      });
      expect((await failureOf(read(provider.locate('tls/absent')))).code).toBe('ERR_NOT_FOUND');
    });

    it('returns not found for a Secret without data', async () => {
      await owner.put('empty', {});
      expect((await failureOf(read(provider.locate('empty')))).code).toBe('ERR_NOT_FOUND');
    });

    it('lists the keys of one Secret below its name', async () => {
      await owner.put('keys', { b: '1', a: '2', c: '3' });
      const first = await provider.list('keys', { limit: 2 }, contextOf());
      expect(first).toEqual({ items: [{ name: 'keys/a' }, { name: 'keys/b' }], next: 'keys/b' });
      const second = await provider.list('keys', { limit: 2, after: first.next }, contextOf());
      expect(second).toEqual({ items: [{ name: 'keys/c' }], next: undefined });
      expect(await provider.list('keys/a', { limit: 2 }, contextOf())).toEqual({ items: [] });
    });

    it('leaves anchors out of lists and reads nothing from them', async () => {
      await createServiceAccount(kube, namespace, 'anchored');
      const credentials = provider.credentials!;
      const ref = { serviceAccount: 'anchored', audiences: [AUDIENCE] };
      const begun = credentials.begin({
        intentId: 'crd_0a1B',
        locator: provider.locate('x', ref),
        workload: { cluster: 'c', namespace: 'n', serviceAccount: 's', serviceAccountUid: 'u' },
        ttlSeconds: 60,
        ref,
      });
      const handle = await credentials.prepare(begun, contextOf());
      expect(await credentials.prepare(begun, contextOf())).toBe(handle);
      const [name] = await owner.labelled(ANCHOR_LABEL);
      expect(name).toBe('quaymaster-crd-0a1b');
      const listed = await provider.list('', { limit: 500 }, contextOf());
      expect(listed.items.map((item) => item.name)).not.toContain(name);
      expect((await failureOf(read(provider.locate(name!)))).code).toBe('ERR_NOT_FOUND');
      await credentials.revoke(handle, contextOf());
    });

    it('issues tokens for the account and audience of the reference, no longer than it allows', async () => {
      await createServiceAccount(kube, namespace, 'exact');
      const ref = {
        serviceAccount: 'exact',
        audiences: [AUDIENCE, 'second'],
        expirationSeconds: 900,
      };
      const credentials = provider.credentials!;
      const begun = credentials.begin({
        intentId: 'crd_exact',
        locator: provider.locate('x', ref),
        workload: { cluster: 'c', namespace: 'n', serviceAccount: 's', serviceAccountUid: 'u' },
        ttlSeconds: 80_000,
        ref,
      });
      const issued = await credentials.issue(
        await credentials.prepare(begun, contextOf()),
        contextOf(),
      );
      expect(issued.ttlSeconds).toBeGreaterThan(880);
      expect(issued.ttlSeconds).toBeLessThanOrEqual(900);
      const review = await reviewToken(kube, issued.data['token'] as string, ['second']);
      expect(review).toMatchObject({
        authenticated: true,
        audiences: ['second'],
        user: { username: `system:serviceaccount:${namespace}:exact` },
      });
      expect(
        (await reviewToken(kube, issued.data['token'] as string, [OWN.audience])).authenticated,
      ).not.toBe(true);
      await credentials.revoke(issued.handle, contextOf());
    });

    it('returns not found for a token of an absent account, and leaves no anchor once revoked', async () => {
      const ref = { serviceAccount: 'absent', audiences: [AUDIENCE] };
      const credentials = provider.credentials!;
      const begun = credentials.begin({
        intentId: 'crd_nobody',
        locator: provider.locate('x', ref),
        workload: { cluster: 'c', namespace: 'n', serviceAccount: 's', serviceAccountUid: 'u' },
        ttlSeconds: 60,
        ref,
      });
      const handle = await credentials.prepare(begun, contextOf());
      expect((await failureOf(credentials.issue(handle, contextOf()))).code).toBe('ERR_NOT_FOUND');
      await credentials.revoke(handle, contextOf());
      expect(await owner.labelled(ANCHOR_LABEL)).not.toContain('quaymaster-crd-absent');
    });

    it("does not delete a Secret that took the anchor's name (N07)", async () => {
      await createServiceAccount(kube, namespace, 'other');
      const ref = { serviceAccount: 'other', audiences: [AUDIENCE] };
      const credentials = provider.credentials!;
      const begun = credentials.begin({
        intentId: 'crd_taken',
        locator: provider.locate('x', ref),
        workload: { cluster: 'c', namespace: 'n', serviceAccount: 's', serviceAccountUid: 'u' },
        ttlSeconds: 60,
        ref,
      });
      const handle = await credentials.prepare(begun, contextOf());
      await owner.remove('quaymaster-crd-taken');
      await owner.put('quaymaster-crd-taken', { key: 'of another owner' });
      await credentials.revoke(handle, contextOf());
      expect((await read(provider.locate('quaymaster-crd-taken'))).data).toEqual({
        key: 'of another owner',
      });
      expect((await failureOf(credentials.prepare(begun, contextOf()))).code).toBe(
        'ERR_PROVIDER_MALFORMED',
      );
    });

    describe('a forged handle in the database', () => {
      const made = (forged: object): string => {
        const anchor = 'quaymaster-crd-x';
        const known = { v: 1, namespace, serviceAccount: 'x', audiences: [], ttl: 1, anchor };
        return JSON.stringify({ ...known, ...forged });
      };
      const expectKept = async (name: string): Promise<void> => {
        expect((await read(provider.locate(name))).data).toEqual({ password: 'kept' });
      };

      it.each([
        ['a Secret of another namespace', { namespace: 'default' }],
        ['another namespace by a relative path', { namespace: '../namespaces/default' }],
        ['another resource by its namespace', { namespace: 'default/configmaps' }],
        ['no namespace', { namespace: '' }],
        ['a Secret of the same namespace that is not an anchor', { anchor: 'production-db' }],
        ['all Secrets', { anchor: '' }],
        ['all anchors', { anchor: 'quaymaster-' }],
        ['a Secret by a relative path', { anchor: 'quaymaster-x/../production-db' }],
        ['a Secret by an encoded path', { anchor: 'quaymaster-x%2F..%2Fproduction-db' }],
        ['a Secret and a query', { anchor: 'quaymaster-x?labelSelector=a' }],
        ['a name in capitals', { anchor: 'QUAYMASTER-X' }],
        ['a name with a line break', { anchor: 'quaymaster-x\nproduction-db' }],
      ])('is refused when it names %s (C14)', async (_what, forged) => {
        await owner.put('production-db', { password: 'kept' });
        const failure = await failureOf(provider.credentials!.revoke(made(forged), contextOf()));
        expect(failure).toMatchObject({ code: 'ERR_DENIED', reason: 'out_of_bounds' });
        await expectKept('production-db');
      });

      it.each([
        ['no UID', () => undefined],
        ['the UID of the Secret', (uid: string) => uid],
        ['the UID of another object', () => '00000000-0000-4000-8000-000000000000'],
        ['an empty UID', () => ''],
      ])('deletes no Secret that is not an anchor, with %s (C14)', async (_what, uidOf) => {
        const anchor = uniqueName('quaymaster-chart');
        await owner.put(anchor, { password: 'kept' });
        const uid = uidOf(await owner.uidOf(anchor));
        await provider.credentials!.revoke(made({ anchor, uid }), contextOf());
        await expectKept(anchor);
      });

      it.each([
        ['another version', { v: 2 }],
        ['a field that no handle has', { apiGroup: 'apps' }],
        ['a list of names', { anchor: ['quaymaster-x', 'production-db'] }],
      ])('is refused with %s (C14)', async (_what, forged) => {
        const failure = await failureOf(provider.credentials!.revoke(made(forged), contextOf()));
        expect(failure.code).toBe('ERR_INTERNAL');
      });
    });

    it('checks its permissions, and reports the missing verb', async () => {
      expect(await connection.check(contextOf())).toMatchObject({ healthy: true });
      const onlyGet = [{ apiGroups: [''], resources: ['secrets'], verbs: ['get'] }];
      const reader = await connections.connect(await brokerToken(kube, onlyGet));
      const report = await reader.mount({ namespace }).check(contextOf());
      expect(report.healthy).toBe(true);
      expect(report.findings.join('\n')).toContain('may not list secrets');
      const stranger = await connections.connect('not-a-token');
      const refused = await stranger.check(contextOf());
      expect(refused.healthy).toBe(false);
      expect(refused.findings.join('\n')).toContain('the credential is not accepted');
    });
  });
});
