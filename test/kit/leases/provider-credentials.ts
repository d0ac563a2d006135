import type { Backends } from '../backends/fleet.ts';
import { grant } from '../backends/kube-apply.ts';
import { kubeRequest } from '../backends/kube-calls.ts';
import { createNamespace, createServiceAccount } from '../backends/kube-objects.ts';
import { boundToken } from '../backends/kube-tokens.ts';
import {
  createToken,
  mountEngine,
  openBaoCall,
  openBaoRequest,
} from '../backends/openbao-calls.ts';
import { uniqueName } from '../backends/unique-name.ts';
import { dynamicPolicy } from '../providers/vault-policies.ts';
import { LEASE_TTL, type CredentialFixture } from './dynamic-credentials.ts';
import { PATIENT } from '../providers/longest-timeout.ts';

export async function kubernetesTokens({
  kube,
}: Pick<Backends, 'kube'>): Promise<CredentialFixture> {
  const namespace = uniqueName('ns');
  await createNamespace(kube, namespace);
  for (const account of ['reporter', 'quaymaster'])
    await createServiceAccount(kube, namespace, account);
  await grant(kube, { namespace, name: 'quaymaster' }, [
    { apiGroups: [''], resources: ['secrets'], verbs: ['get', 'create', 'delete'] },
    { apiGroups: [''], resources: ['serviceaccounts/token'], verbs: ['create'] },
  ]);
  const account = { namespace, serviceAccount: 'quaymaster', audience: kube.issuer };
  return {
    path: 'tokens/token',
    files: { 'kube.token': await boundToken(kube, account), 'kube-ca.pem': kube.caPem },
    connections: (directory) => ({
      tokens: {
        type: 'kubernetes',
        server: kube.server,
        caFile: `${directory}/kube-ca.pem`,
        tokenFile: `${directory}/kube.token`,
        locators: ['**'],
        limits: PATIENT,
      },
    }),
    documents: {
      '/mounts/tokens': { prefix: 'tokens', connection: 'tokens', options: { namespace } },
      '/definitions/tokens/token': {
        class: 'dynamic',
        leaseTtl: LEASE_TTL,
        ref: { serviceAccount: 'reporter', audiences: ['reports'] },
      },
    },
    live: async () => {
      const { body } = await kubeRequest(kube, 'GET', `/api/v1/namespaces/${namespace}/secrets`);
      return (body as { readonly items: readonly unknown[] }).items.length;
    },
  };
}

export async function vaultCredentials({
  openbao,
}: Pick<Backends, 'openbao'>): Promise<CredentialFixture> {
  const transit = await mountEngine(openbao, 'pki');
  await openBaoCall(openbao, 'POST', `${transit}/root/generate/internal`, {
    common_name: 'root.test',
  });
  await openBaoCall(openbao, 'POST', `${transit}/roles/web`, {
    allow_any_name: true,
    generate_lease: true,
    max_ttl: '1h',
  });
  const child = uniqueName('made');
  await openBaoCall(openbao, 'PUT', `sys/policies/acl/${child}`, {
    policy: `path "${transit}/issue/web" { capabilities = ["update"] }`,
  });
  const role = uniqueName('role');
  await openBaoCall(openbao, 'POST', `auth/token/roles/${role}`, {
    orphan: true,
    renewable: true,
    token_type: 'service',
    token_explicit_max_ttl: '1h',
    allowed_policies: [child],
    token_no_default_policy: true,
  });
  const tokenPolicies = async (accessor: string): Promise<readonly string[]> => {
    const asked = { accessor };
    const { body } = await openBaoRequest(openbao, 'POST', 'auth/token/lookup-accessor', asked);
    return (body as { data?: { policies?: string[] } }).data?.policies ?? [];
  };
  return {
    path: 'certificates/web',
    files: { 'vault.token': await createToken(openbao, dynamicPolicy(role)) },
    connections: (directory) => ({
      certificates: {
        type: 'vault',
        address: openbao.address,
        auth: { method: 'token', tokenFile: `${directory}/vault.token` },
        locators: [`${transit}/issue/**`],
        limits: PATIENT,
      },
    }),
    documents: {
      '/mounts/certificates': {
        prefix: 'certificates',
        connection: 'certificates',
        options: { engine: 'dynamic', path: transit, root: 'issue', tokenRole: role },
      },
      '/definitions/certificates/web': {
        class: 'dynamic',
        leaseTtl: LEASE_TTL,
        ref: { path: `${transit}/issue/web`, method: 'POST', data: { common_name: 'a.test' } },
      },
    },
    live: async () => {
      const leases = await openBaoRequest(
        openbao,
        'LIST',
        `sys/leases/lookup/${transit}/issue/web`,
      );
      const accessors = await openBaoRequest(openbao, 'LIST', 'auth/token/accessors');
      const policies = await Promise.all(keysOf(accessors.body).map(tokenPolicies));
      return keysOf(leases.body).length + policies.filter((own) => own.includes(child)).length;
    },
  };
}

function keysOf(body: unknown): readonly string[] {
  return (body as { data?: { keys?: string[] } }).data?.keys ?? [];
}
