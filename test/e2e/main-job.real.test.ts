import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { describeWith } from '../kit/backends/backends.ts';
import type { Backends } from '../kit/backends/fleet.ts';
import { grant } from '../kit/backends/kube-apply.ts';
import {
  createNamespace,
  createPod,
  createSecret,
  createServiceAccount,
  deletePod,
} from '../kit/backends/kube-objects.ts';
import { boundToken, reviewToken } from '../kit/backends/kube-tokens.ts';
import type { KubeObject } from '../kit/backends/kube-calls.ts';
import { createToken, openBaoCall } from '../kit/backends/openbao-calls.ts';
import { createDatabase } from '../kit/backends/postgres.ts';
import { uniqueName } from '../kit/backends/unique-name.ts';
import { createAwsSecret } from '../kit/aws/aws-secret.ts';
import { eventually } from '../kit/time/eventually.ts';
import { Installation, type Answer } from '../kit/broker/installation.ts';

/** A value that appears in answers only. */
const CANARY = uniqueName('canary');

interface World {
  readonly kube: Backends['kube'];
  readonly broker: Installation;
  readonly operator: string;
  readonly namespace: string;
  readonly pod: KubeObject;
  readonly podToken: string;
  readonly sharedAudience: string;
}

type StoreKind = 'sqlite' | 'postgres';

type Wanted = Pick<Backends, 'kube' | 'openbao' | 'moto' | 'postgres'>;

async function makeWorld(backends: Wanted, storeKind: StoreKind): Promise<World> {
  const { kube, openbao, moto, postgres } = backends;
  const namespace = uniqueName('shop');
  await createNamespace(kube, namespace);
  await createServiceAccount(kube, namespace, 'web');
  await createServiceAccount(kube, namespace, 'reporter');
  await createServiceAccount(kube, namespace, 'quaymaster');
  const pod = await createPod(kube, { namespace, serviceAccount: 'web', labels: { app: 'web' } });
  await createSecret(kube, namespace, { 'api-key': `${CANARY}-kube` }, 'billing');
  await openBaoCall(openbao, 'POST', `secret/data/${namespace}/db`, {
    data: { password: `${CANARY}-vault` },
  });
  await createAwsSecret(moto, `${namespace}/mail`, JSON.stringify({ password: `${CANARY}-aws` }));
  await grantBroker(kube, namespace);

  const broker = await Installation.make({
    AWS_ACCESS_KEY_ID: moto.accessKeyId,
    AWS_SECRET_ACCESS_KEY: moto.secretAccessKey,
  });
  const policy = `path "secret/data/${namespace}/*" { capabilities = ["read"] }\npath "auth/token/lookup-self" { capabilities = ["read"] }`;
  const vaultToken = await createToken(openbao, policy, { ttl: '1h' });
  const kubeToken = await boundToken(kube, {
    namespace,
    serviceAccount: 'quaymaster',
    audience: kube.issuer,
    expirationSeconds: 3600,
  });
  await broker.configure({
    ...(storeKind === 'postgres' && {
      store: {
        type: 'postgres',
        connectionStringFile: await broker.write(
          'dsn',
          (await createDatabase(postgres)).connectionString,
        ),
      },
    }),
    connections: {
      vault: {
        type: 'vault',
        address: openbao.address,
        auth: { method: 'token', tokenFile: await broker.write('vault.token', vaultToken) },
        locators: [`secret/data/${namespace}/**`],
      },
      aws: {
        type: 'aws-secrets-manager',
        region: moto.region,
        endpoint: moto.endpoint,
        locators: [`${namespace}/**`],
      },
      kube: {
        type: 'kubernetes',
        server: kube.server,
        caFile: await broker.write('kube-ca.pem', kube.caPem),
        tokenFile: await broker.write('kube.token', kubeToken),
        locators: ['**'],
      },
    },
  });
  const operator = await broker.initialise();
  await broker.start();
  const audience = uniqueName('aud');
  await describeAll(broker, operator, { namespace, issuer: kube.issuer, audience });
  const podToken = await boundToken(kube, { namespace, serviceAccount: 'web', audience, pod });
  return { kube, broker, operator, namespace, pod, podToken, sharedAudience: audience };
}

/** The minimal rights for the watch and the providers. */
async function grantBroker(kube: Backends['kube'], namespace: string): Promise<void> {
  const account = { namespace, name: 'quaymaster' };
  await grant(kube, account, [
    { apiGroups: [''], resources: ['pods'], verbs: ['get', 'list', 'watch'] },
    { apiGroups: ['authentication.k8s.io'], resources: ['tokenreviews'], verbs: ['create'] },
    { apiGroups: [''], resources: ['secrets'], verbs: ['get', 'list', 'create', 'delete'] },
    { apiGroups: [''], resources: ['serviceaccounts/token'], verbs: ['create'] },
  ]);
}

async function describeAll(
  broker: Installation,
  operator: string,
  {
    namespace,
    issuer,
    audience,
  }: { readonly namespace: string; readonly issuer: string; readonly audience: string },
): Promise<void> {
  await broker.create(operator, '/clusters/prod', {
    connection: 'kube',
    issuer,
    audiences: [audience],
    mode: 'both',
  });
  await broker.create(operator, '/mounts/own', { prefix: 'own', connection: 'embedded' });
  await broker.create(operator, '/mounts/vault', {
    prefix: 'vault',
    connection: 'vault',
    options: { engine: 'kv-v2', path: 'secret', root: namespace },
  });
  await broker.create(operator, '/mounts/aws', {
    prefix: 'aws',
    connection: 'aws',
    options: { namePrefix: `${namespace}/` },
  });
  await broker.create(operator, '/mounts/kube', {
    prefix: 'kube',
    connection: 'kube',
    options: { namespace },
  });
  await broker.create(operator, '/definitions/kube/reporter-token', {
    class: 'dynamic',
    leaseTtl: '10m',
    ref: { serviceAccount: 'reporter', audiences: ['reports'] },
  });
  const written = await broker.call('PUT', '/api/v1/secrets/own/session-key', {
    token: operator,
    body: { data: { key: `${CANARY}-own` } },
    headers: { 'if-none-match': '*' },
  });
  expect(written.status).toBe(201);
  await broker.create(operator, '/policies/web', policyOf(namespace));
}

function policyOf(namespace: string): object {
  return {
    apiVersion: 'quaymaster.dev/v1',
    kind: 'AccessPolicy',
    metadata: { name: 'web' },
    spec: {
      subjects: [{ clusters: ['prod'], namespaces: [namespace], serviceAccounts: ['web'] }],
      rules: [
        {
          name: 'own-secrets',
          effect: 'allow',
          paths: ['own/**', 'vault/**', 'aws/**', 'kube/**'],
          capabilities: ['read'],
          maxLeaseTtl: '15m',
        },
        { name: 'not-root', effect: 'deny', paths: ['own/root/**'], capabilities: ['read'] },
      ],
    },
  };
}

interface BatchItem {
  readonly path: string;
  readonly version?: string;
  readonly data?: Readonly<Record<string, string>>;
  readonly lease?: { readonly id: string; readonly endsAt: string };
  readonly error?: { readonly code: string; readonly status: number };
}

const PATHS = ['vault/db', 'aws/mail', 'kube/billing', 'own/session-key', 'own/root/key'];

async function auditEntries(
  world: World,
  query: string,
): Promise<readonly Record<string, unknown>[]> {
  const answer = await world.broker.call('GET', `/api/v1/audit/entries?${query}`, {
    token: world.operator,
  });
  expect(answer.status).toBe(200);
  return (answer.json['items'] as { entry: Record<string, unknown> }[]).map(({ entry }) => entry);
}

for (const storeKind of ['sqlite', 'postgres'] as const) {
  describeWith(
    ['kube', 'openbao', 'moto', 'postgres'],
    `the main job, with its store on ${storeKind}`,
    (backends) => {
      let world: World;
      let session: string;
      let items: readonly BatchItem[];
      let credential: { readonly token: string; readonly lease: string };

      beforeAll(async () => {
        world = await makeWorld(backends, storeKind);
      });
      afterAll(async () => {
        await world.broker.remove();
      });

      it('logs a workload in with the token of its pod', async () => {
        const { broker, podToken } = world;
        const login = await broker.call('POST', '/api/v1/sessions', {
          body: { cluster: 'prod', token: podToken },
        });
        expect(login.status).toBe(201);
        session = String(login.json['token']);
        expect(session).toMatch(/^qms_/);
      });

      it('reads from four backends in one batch, each under one policy and a lease', async () => {
        const answer = await world.broker.call('POST', '/api/v1/secrets:batch', {
          token: session,
          body: { items: PATHS.map((path) => ({ path })) },
        });
        expect(answer.status).toBe(200);
        items = answer.json['items'] as BatchItem[];
        expect(items.map(({ data }) => data)).toEqual([
          { password: `${CANARY}-vault` },
          { password: `${CANARY}-aws` },
          { 'api-key': `${CANARY}-kube` },
          { key: `${CANARY}-own` },
          undefined,
        ]);
        for (const { lease } of items.slice(0, 4)) {
          expect(lease?.id).toMatch(/^lea_/);
          expect(Date.parse(lease?.endsAt ?? '') - Date.now()).toBeLessThanOrEqual(900_000);
        }
        expect(items[4]?.error?.code).toBe('ERR_DENIED');
      });

      it('issues a dynamic credential, once for each key', async () => {
        const order = { token: session, body: {}, headers: { 'idempotency-key': 'first' } };
        const made = await world.broker.call(
          'POST',
          '/api/v1/credentials/kube/reporter-token',
          order,
        );
        expect(made.status).toBe(201);
        const again = await world.broker.call(
          'POST',
          '/api/v1/credentials/kube/reporter-token',
          order,
        );
        expect(again.json['data']).toEqual(made.json['data']);
        const { token } = made.json['data'] as { token: string };
        credential = { token, lease: (made.json['lease'] as { id: string }).id };
        expect((await reviewToken(world.kube, token, ['reports'])).authenticated).toBe(true);
      });

      it('records an entry for every item, granted or refused, with the pod and the deciding rule', async () => {
        const uid = world.pod.metadata.uid;
        const entries = await eventually('an entry for every item', async () => {
          const found = await auditEntries(world, `pod=${uid}&action=secret.read&limit=50`);
          return found.length >= PATHS.length ? found : undefined;
        });
        expect(entries).toHaveLength(PATHS.length);
        const byPath = new Map(entries.map((entry) => [entry['path'], entry]));
        for (const path of PATHS.slice(0, 4)) {
          expect(byPath.get(path)).toMatchObject({
            outcome: 'ok',
            policy: { name: 'web', version: 1, rule: 'own-secrets' },
            actor: { namespace: world.namespace, serviceAccount: 'web', podUid: uid },
          });
        }
        expect(byPath.get('own/root/key')).toMatchObject({
          outcome: 'deny',
          reason: 'denied_by_rule',
          policy: { name: 'web', version: 1, rule: 'not-root' },
        });
      });

      it('revokes everything within seconds of the end of the pod', async () => {
        const { broker, kube, operator, pod } = world;
        await deletePod(kube, pod);
        const refused = await eventually('the session closes', async () => {
          const answer = await broker.call('GET', '/api/v1/secrets/own/session-key', {
            token: session,
          });
          return answer.status === 401 ? answer : undefined;
        });
        expect(refused.json['code']).toBe('ERR_UNAUTHENTICATED');
        const live = await broker.call('GET', `/api/v1/leases?pod=${pod.metadata.uid}&state=live`, {
          token: operator,
        });
        expect(live.json['items']).toEqual([]);
        await eventually('the revoke queue is empty', async () => {
          const { status } = await broker.call('GET', `/api/v1/leases/${credential.lease}`, {
            token: operator,
          });
          const queue = await broker.call('GET', '/api/v1/revocations?state=revoking', {
            token: operator,
          });
          return status === 200 && (queue.json['items'] as unknown[]).length === 0
            ? true
            : undefined;
        });
        // The API server caches an accepted token for ten seconds.
        await eventually('the token is dead', async () => {
          const { authenticated } = await reviewToken(kube, credential.token, ['reports']);
          return authenticated === true ? undefined : true;
        });
        const again = await relogin(world);
        expect(again.status).toBe(401);
      });

      it('keeps a log that verifies offline, against a checkpoint from outside the store', async () => {
        const { broker } = world;
        expect(await broker.stop()).toBe(0);
        const directory = broker.file('export');
        await broker.verb('audit', 'export', directory, '--config', broker.file('config.yaml'));
        const report = await broker.verb(
          'audit',
          'verify',
          directory,
          '--checkpoint',
          broker.file('keys/checkpoint'),
        );
        expect(report).toContain('verified: ');
        expect(report).toContain('anchored');
      });

      it('writes no value and no token into its own log', () => {
        const { broker, podToken } = world;
        for (const secret of [CANARY, podToken, session, world.operator, credential.token]) {
          expect(broker.output).not.toContain(secret);
        }
      });
    },
  );
}

async function relogin({ broker, podToken }: World): Promise<Answer> {
  return broker.call('POST', '/api/v1/sessions', { body: { cluster: 'prod', token: podToken } });
}
