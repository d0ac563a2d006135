import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { describeWith } from '../../backends/backends.ts';
import type { Backends } from '../../backends/fleet.ts';
import { grant } from '../../backends/kube-apply.ts';
import { kubeRequest } from '../../backends/kube-calls.ts';
import { createNamespace, createServiceAccount } from '../../backends/kube-objects.ts';
import { boundToken } from '../../backends/kube-tokens.ts';
import {
  createToken,
  mountEngine,
  openBaoCall,
  openBaoRequest,
} from '../../backends/openbao-calls.ts';
import { uniqueName } from '../../backends/unique-name.ts';
import { until } from '../../backends/until.ts';
import { Furnished } from '../../e2e/furnished.ts';
import { dynamicPolicy } from '../../support/vault-policies.ts';
import { KILL_POINTS } from './kill-points.ts';

/** Tokens and leases of one order live so long at the most, whoever forgets them. */
const LEASE_TTL = '3s';

/** A backend of dynamic credentials as the broker is configured for it, and what lives there. */
interface Target {
  readonly path: string;
  readonly live: () => Promise<number>;
  readonly config: (directory: string) => Record<string, unknown>;
  readonly files: Readonly<Record<string, string>>;
  readonly documents: Readonly<Record<string, object>>;
}

async function kubeTarget({ kube }: Pick<Backends, 'kube'>): Promise<Target> {
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
    path: 'made/token',
    files: { 'kube.token': await boundToken(kube, account), 'kube-ca.pem': kube.caPem },
    config: (directory) => ({
      type: 'kubernetes',
      server: kube.server,
      caFile: `${directory}/kube-ca.pem`,
      tokenFile: `${directory}/kube.token`,
      locators: ['**'],
    }),
    documents: {
      '/mounts/made': { prefix: 'made', connection: 'target', options: { namespace } },
      '/definitions/made/token': {
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

async function baoTarget({ openbao }: Pick<Backends, 'openbao'>): Promise<Target> {
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
    path: 'made/web',
    files: { 'vault.token': await createToken(openbao, dynamicPolicy(role)) },
    config: (directory) => ({
      type: 'vault',
      address: openbao.address,
      auth: { method: 'token', tokenFile: `${directory}/vault.token` },
      locators: [`${transit}/issue/**`],
    }),
    documents: {
      '/mounts/made': {
        prefix: 'made',
        connection: 'target',
        options: { engine: 'dynamic', path: transit, root: 'issue', tokenRole: role },
      },
      '/definitions/made/web': {
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

function suite(title: string, make: () => Promise<Target>): void {
  describe(`F18: a broker killed while it makes a credential at ${title} (I2)`, () => {
    let target: Target;
    let broker: Furnished;

    beforeAll(async () => {
      target = await make();
      broker = await Furnished.start({
        files: target.files,
        config: (directory) => ({ connections: { target: target.config(directory) } }),
        documents: target.documents,
      });
      await broker.installation.stop();
    }, 60_000);
    afterAll(() => broker.remove());

    it.each(KILL_POINTS)(
      'leaves nothing at the backend: %s',
      async (point) => {
        await broker.startWithFailpoints();
        const session = await broker.logIn();
        await broker.arm(point, 'kill');
        await expect(broker.order(session, target.path, point)).rejects.toThrow();
        expect(await broker.installation.ended()).toBeNull();

        await broker.installation.start();
        await until('every order is settled', async () => {
          const states = ['issued', 'revoking', 'irrevocable'];
          const counts = states.map((state) => {
            return broker.metric(`quaymaster_credentials{state="${state}"}`);
          });
          return (await Promise.all(counts)).every((count) => count === 0);
        });
        await until('nothing lives at the backend', async () => (await target.live()) === 0);
        await broker.installation.stop('SIGKILL');
      },
      60_000,
    );

    it('makes credentials again, and keeps a log that holds', async () => {
      await broker.installation.start();
      const session = await broker.logIn();
      const { status } = await broker.order(session, target.path, 'after-all');
      expect(status).toBe(201);
      expect(await target.live()).toBeGreaterThan(0);
      const body = { by: 'workload', workload: 'k8s://c1/prod/api' };
      await broker.installation.call('POST', '/api/v1/leases:revoke', {
        token: broker.operator,
        body,
      });
      await until('it is revoked', async () => (await target.live()) === 0);
      expect(await broker.verifiedLog()).toContain('the log holds');
    }, 60_000);
  });
}

describeWith(['kube'], 'kube-apiserver', (backends) => {
  suite('kube-apiserver', () => kubeTarget(backends));
});
describeWith(['openbao'], 'OpenBao', (backends) => {
  suite('OpenBao', () => baoTarget(backends));
});
