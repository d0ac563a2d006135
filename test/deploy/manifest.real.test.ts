import { beforeAll, describe, expect, it } from '@jest/globals';
import { load } from 'js-yaml';
import { checkConfig } from '../../src/program/config/load.ts';
import { describeWith } from '../kit/backends/backends.ts';
import { kubeRequest } from '../kit/backends/kube-calls.ts';
import { createNamespace, createServiceAccount } from '../kit/backends/kube-objects.ts';
import { boundToken } from '../kit/backends/kube-tokens.ts';
import { uniqueName } from '../kit/backends/unique-name.ts';
import { admission, asAccount, podTemplate, type Verb } from './verdicts.ts';
import { applyStrictly, manifestsOf, movedTo, only } from './manifests.ts';

describe('the configuration in the manifest', () => {
  const config = (
    only(manifestsOf('quaymaster.yaml'), 'ConfigMap')['data'] as { 'config.yaml': string }
  )['config.yaml'];

  it('is valid', () => {
    expect(checkConfig(load(config), 'deploy/quaymaster.yaml').mode).toBe('production');
  });

  it('keeps the keys and the last checkpoint on another volume than the store', () => {
    const { store, kek, audit } = checkConfig(load(config), 'deploy/quaymaster.yaml');
    expect(store).toHaveProperty('path', expect.stringMatching(/^\/var\/lib\/quaymaster\//));
    const keys = /^\/var\/lib\/quaymaster-keys\//;
    expect(kek).toHaveProperty('path', expect.stringMatching(keys));
    expect(audit.logKeyFile).toMatch(keys);
    expect(audit.checkpointFile).toMatch(keys);
  });

  it("forbids mounts of the broker's own namespace", () => {
    const { kubernetes } = checkConfig(load(config), 'deploy/quaymaster.yaml');
    expect(kubernetes.forbiddenNamespaces).toContain('quaymaster');
  });
});

describeWith(['kube'], 'the manifest on a real API server', ({ kube }) => {
  const NAMESPACE = uniqueName('quaymaster');
  const manifests = manifestsOf('quaymaster.yaml').map((object) => movedTo(NAMESPACE, object));
  const job = movedTo(NAMESPACE, only(manifestsOf('initialise.yaml'), 'Job'));
  const account: { ask?: ReturnType<typeof asAccount> } = {};
  const ask = (verb: Verb, path: string, body?: unknown): Promise<number> =>
    account.ask!(verb, path, body);

  beforeAll(async () => {
    for (const manifest of manifests) await applyStrictly(kube, manifest);
    await applyStrictly(kube, job);
    const token = await boundToken(kube, {
      namespace: NAMESPACE,
      serviceAccount: 'quaymaster',
      audience: kube.issuer,
    });
    account.ask = asAccount(kube, token);
  });

  it('is applied completely, and again without a change', async () => {
    const path = `/apis/apps/v1/namespaces/${NAMESPACE}/statefulsets/quaymaster`;
    const generation = async (): Promise<unknown> => {
      const { body } = await kubeRequest(kube, 'GET', path);
      return (body as { metadata: { generation: number } }).metadata.generation;
    };
    const before = await generation();
    for (const manifest of manifests) await applyStrictly(kube, manifest);
    expect(await generation()).toBe(before);
  });

  it('has pods that the restricted level of its own namespace admits', async () => {
    expect(await admission(kube, NAMESPACE, podTemplate(only(manifests, 'StatefulSet')))).toBe(
      'admitted',
    );
    expect(await admission(kube, NAMESPACE, podTemplate(job))).toBe('admitted');
  });

  it('has a namespace that admits nothing less restricted', async () => {
    const template = podTemplate(only(manifests, 'StatefulSet'));
    const asRoot = { ...template, spec: { ...template.spec, securityContext: {} } };
    expect(await admission(kube, NAMESPACE, asRoot)).toMatch(/violates PodSecurity "restricted/);
  });

  it('lets the account watch pods', async () => {
    expect(await ask('GET', '/api/v1/pods?limit=1')).toBe(200);
    expect(await ask('GET', '/api/v1/pods?watch=true&timeoutSeconds=1')).toBe(200);
    expect(await ask('GET', `/api/v1/namespaces/${NAMESPACE}/pods/absent`)).toBe(404);
  });

  it('lets the account review tokens and fetch the keys', async () => {
    const review = { spec: { token: 'e30.e30.e30', audiences: ['quaymaster'] } };
    expect(await ask('POST', '/apis/authentication.k8s.io/v1/tokenreviews', review)).toBe(201);
    expect(await ask('GET', '/openid/v1/jwks')).toBe(200);
  });

  it.each([
    ['GET', '/api/v1/secrets?limit=1'],
    ['GET', '/api/v1/namespaces/kube-system/secrets?limit=1'],
    ['GET', `/api/v1/namespaces/${NAMESPACE}/secrets/quaymaster-tls`],
    ['GET', '/api/v1/nodes'],
    ['GET', '/api/v1/namespaces'],
    ['GET', '/api/v1/serviceaccounts'],
    ['GET', '/api/v1/configmaps'],
    ['GET', `/api/v1/namespaces/${NAMESPACE}/configmaps/quaymaster`],
    ['GET', '/apis/rbac.authorization.k8s.io/v1/clusterroles'],
    ['DELETE', `/api/v1/namespaces/${NAMESPACE}/pods/absent`],
    ['GET', `/api/v1/namespaces/${NAMESPACE}/pods/absent/log`],
    ['POST', `/api/v1/namespaces/${NAMESPACE}/pods/absent/exec?command=id`],
    ['GET', '/metrics'],
  ] as const)('refuses the account %s %s', async (verb, path) => {
    expect(await ask(verb, path)).toBe(403);
  });

  it('refuses the account pods, Secrets, tokens and new rights', async () => {
    const name = uniqueName('planted');
    const spec = { containers: [{ name: 'main', image: 'registry.test/app:1' }] };
    const inNamespace = `/api/v1/namespaces/${NAMESPACE}`;
    const rbac = '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings';
    const token = { spec: { audiences: ['x'] } };
    const binding = {
      metadata: { name },
      roleRef: {
        apiGroup: 'rbac.authorization.k8s.io',
        kind: 'ClusterRole',
        name: 'cluster-admin',
      },
    };
    expect(await ask('POST', `${inNamespace}/pods`, { metadata: { name }, spec })).toBe(403);
    expect(await ask('POST', `${inNamespace}/secrets`, { metadata: { name } })).toBe(403);
    expect(await ask('POST', `${inNamespace}/serviceaccounts/quaymaster/token`, token)).toBe(403);
    expect(await ask('POST', rbac, binding)).toBe(403);
  });

  describe('with the example of a mounted namespace', () => {
    const place = { namespace: '' };

    beforeAll(async () => {
      place.namespace = (await createNamespace(kube)).metadata.name;
      for (const account of ['deployer', 'other']) {
        await createServiceAccount(kube, place.namespace, account);
      }
      for (const manifest of manifestsOf('mounted-namespace.yaml')) {
        const moved = movedTo(place.namespace, manifest);
        const { subjects } = movedTo(NAMESPACE, manifest);
        await applyStrictly(kube, subjects === undefined ? moved : { ...moved, subjects });
      }
    });

    it('lets the account read Secrets there and nowhere else', async () => {
      expect(await ask('GET', `/api/v1/namespaces/${place.namespace}/secrets?limit=1`)).toBe(200);
      expect(await ask('GET', `/api/v1/namespaces/${place.namespace}/secrets/absent`)).toBe(404);
      expect(await ask('GET', '/api/v1/namespaces/default/secrets?limit=1')).toBe(403);
      expect(await ask('PUT', `/api/v1/namespaces/${place.namespace}/secrets/absent`, {})).toBe(
        403,
      );
    });

    it('lets the account create tokens of the named account, and of no other', async () => {
      const request = { spec: { audiences: ['https://registry.example.com'] } };
      const accounts = `/api/v1/namespaces/${place.namespace}/serviceaccounts`;
      expect(await ask('POST', `${accounts}/deployer/token`, request)).toBe(201);
      expect(await ask('POST', `${accounts}/other/token`, request)).toBe(403);
    });

    it('lets the account create and delete the anchors of tokens', async () => {
      const secrets = `/api/v1/namespaces/${place.namespace}/secrets`;
      const name = uniqueName('anchor');
      const anchor = { metadata: { name }, type: 'quaymaster.dev/anchor', immutable: true };
      expect(await ask('POST', secrets, anchor)).toBe(201);
      expect(await ask('DELETE', `${secrets}/${name}`)).toBe(200);
    });
  });
});
