import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { describeWith } from '../kit/backends/backends.ts';
import type { Backends } from '../kit/backends/fleet.ts';
import { freePort } from '../kit/backends/free-port.ts';
import { apply, deleteObject, grant, type Manifest } from '../kit/backends/kube-apply.ts';
import { objectCall, type KubeObject } from '../kit/backends/kube-calls.ts';
import { createNamespace, createServiceAccount, deletePod } from '../kit/backends/kube-objects.ts';
import { boundToken } from '../kit/backends/kube-tokens.ts';
import { uniqueName } from '../kit/backends/unique-name.ts';
import { eventually } from '../kit/time/eventually.ts';
import { Installation } from '../kit/broker/installation.ts';
import { InjectorPod } from '../kit/delivery/injector-pod.ts';
import { TlsFront } from '../kit/network/tls-front.ts';

const PROGRAM = fileURLToPath(new URL('../../dist/quaymaster.cjs', import.meta.url));
const NODE = fileURLToPath(new URL('../../node_modules/.bin/node', import.meta.url));
const PASSWORD = 'canary-injected-77ab';

interface AgentContainer {
  readonly args: readonly string[];
  readonly env: readonly { readonly name: string; readonly value: string }[];
  readonly startupProbe: { readonly exec: { readonly command: readonly string[] } };
}

/** A broker and an injector at a real API server. */
class World {
  readonly kube: Backends['kube'];
  readonly broker: Installation;
  readonly namespace = uniqueName('shop');
  readonly front: TlsFront;
  readonly audience = uniqueName('aud');
  readonly #webhook: Manifest;
  readonly #injectorPort: number;
  #injector: InjectorPod | undefined;

  private constructor(
    kube: Backends['kube'],
    made: { broker: Installation; front: TlsFront; port: number },
  ) {
    this.kube = kube;
    this.broker = made.broker;
    this.front = made.front;
    this.#injectorPort = made.port;
    this.#webhook = {
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind: 'MutatingWebhookConfiguration',
      metadata: { name: this.namespace },
      webhooks: [
        {
          name: 'inject.quaymaster.dev',
          clientConfig: { url: `https://localhost:${made.port}/inject` },
          rules: [
            { apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['pods'] },
          ],
          failurePolicy: 'Fail',
          namespaceSelector: { matchLabels: { 'quaymaster.test/world': this.namespace } },
          sideEffects: 'None',
          admissionReviewVersions: ['v1'],
        },
      ],
    };
  }

  static async make(kube: Backends['kube']): Promise<World> {
    const broker = await Installation.make();
    const front = await TlsFront.listen(Number(new URL(broker.url).port));
    const world = new World(kube, { broker, front, port: await freePort() });
    await world.#seedCluster();
    await world.#startBroker();
    return world;
  }

  async #seedCluster(): Promise<void> {
    const { kube, namespace } = this;
    await createNamespace(kube, namespace, { 'quaymaster.test/world': namespace });
    await createServiceAccount(kube, namespace, 'web');
    await createServiceAccount(kube, namespace, 'quaymaster');
    await apply(kube, this.#webhook);
    await grant(kube, { namespace, name: 'quaymaster' }, [
      { apiGroups: [''], resources: ['pods'], verbs: ['get', 'list', 'watch'] },
      { apiGroups: ['authentication.k8s.io'], resources: ['tokenreviews'], verbs: ['create'] },
      {
        apiGroups: ['admissionregistration.k8s.io'],
        resources: ['mutatingwebhookconfigurations'],
        resourceNames: [namespace],
        verbs: ['get', 'patch'],
      },
    ]);
  }

  async #startBroker(): Promise<void> {
    const { kube, broker, namespace, audience } = this;
    const token = await boundToken(kube, {
      namespace,
      serviceAccount: 'quaymaster',
      audience: kube.issuer,
      expirationSeconds: 3_600,
    });
    await broker.configure({
      connections: {
        kube: {
          type: 'kubernetes',
          server: kube.server,
          caFile: await broker.write('kube-ca.pem', kube.caPem),
          tokenFile: await broker.write('kube.token', token),
        },
      },
      injector: {
        listener: { host: '127.0.0.1', port: this.#injectorPort },
        certificate: {
          managed: { connection: 'kube', webhookConfiguration: namespace, dnsNames: ['localhost'] },
        },
        image: 'registry.test/quaymaster:1',
        broker: {
          url: this.front.url,
          caFile: await broker.write('broker-ca.pem', this.front.caPem),
          cluster: 'prod',
          audience,
        },
      },
    });
    const operator = await broker.initialise();
    // Without a listener of metrics it has no probes.
    const ports = { injector: this.#injectorPort, metrics: 0 };
    this.#injector = InjectorPod.start(['injector'], broker.file('config.yaml'), ports);
    await broker.start();
    await broker.create(operator, '/clusters/prod', {
      connection: 'kube',
      issuer: kube.issuer,
      audiences: [audience],
      mode: 'both',
    });
    await broker.create(operator, '/mounts/own', { prefix: 'own', connection: 'embedded' });
    await broker.call('PUT', '/api/v1/secrets/own/db', {
      token: operator,
      body: { data: { user: 'app', password: PASSWORD } },
      headers: { 'if-none-match': '*' },
    });
    await broker.create(operator, '/policies/web', {
      apiVersion: 'quaymaster.dev/v1',
      kind: 'AccessPolicy',
      metadata: { name: 'web' },
      spec: {
        subjects: [{ clusters: ['prod'], namespaces: [namespace], serviceAccounts: ['web'] }],
        rules: [{ name: 'own', effect: 'allow', paths: ['own/**'], capabilities: ['read'] }],
      },
    });
  }

  /** A pod that requests its secret; created again until the API server has the certificate. */
  createPod(annotations: Readonly<Record<string, string>>): Promise<KubeObject> {
    const path = `/api/v1/namespaces/${this.namespace}/pods`;
    return eventually('the pod', () =>
      objectCall(this.kube, 'POST', path, {
        metadata: { name: uniqueName('web'), annotations },
        spec: {
          serviceAccountName: 'web',
          automountServiceAccountToken: false,
          nodeName: 'node-1',
          securityContext: { runAsUser: 1000 },
          containers: [{ name: 'app', image: 'registry.test/app:1' }],
        },
      }).catch(() => undefined),
    );
  }

  async remove(): Promise<void> {
    await deleteObject(this.kube, this.#webhook);
    await this.#injector?.stop('SIGKILL');
    await this.broker.remove();
    this.front.close();
  }
}

describeWith(['kube'], 'an injected agent', ({ kube }) => {
  let world: World;
  let pod: KubeObject;
  let container: AgentContainer;
  let agent: ChildProcess;
  let environment: Readonly<Record<string, string>>;
  const file = (name: string): string => world.broker.file(`secrets/${name}`);

  beforeAll(async () => {
    world = await World.make(kube);
    pod = await world.createPod({
      'quaymaster.dev/inject': 'true',
      'quaymaster.dev/secret-db': 'own/db',
      'quaymaster.dev/template-url': 'postgres://{{ secrets.db.user }}@$(DB)',
      'quaymaster.dev/file-url': 'conf/url',
    });
    const { initContainers } = pod['spec'] as { initContainers: AgentContainer[] };
    container = initContainers[0]!;
    const { namespace, audience } = world;
    const token = await boundToken(kube, { namespace, serviceAccount: 'web', audience, pod });
    await mkdir(world.broker.file('secrets'), { mode: 0o700 });
    environment = {
      PATH: process.env['PATH'] ?? '',
      ...Object.fromEntries(container.env.map(({ name, value }) => [name, value])),
      // The work of a kubelet with volumes and a network namespace.
      QUAYMASTER_TOKEN_FILE: await world.broker.write('pod.token', token),
      QUAYMASTER_DIRECTORY: world.broker.file('secrets'),
      QUAYMASTER_HEALTH_PORT: String(await freePort()),
    };
  });
  afterAll(async () => {
    agent.kill('SIGKILL');
    await world.remove();
  });

  it('starts from the pod that the API server returned, and its probe reports when the files exist', async () => {
    agent = spawn(NODE, [PROGRAM, ...container.args], { env: environment, stdio: 'pipe' });
    const [, , , ...probe] = container.startupProbe.exec.command;
    expect(probe).toEqual(['agent', 'healthcheck', '--ready']);
    await eventually('the startup probe succeeds', () =>
      promisify(execFile)(NODE, [PROGRAM, ...probe], { env: environment }).then(
        () => true,
        () => undefined,
      ),
    );
    expect(JSON.parse(await readFile(file('db.json'), 'utf8'))).toEqual({
      user: 'app',
      password: PASSWORD,
    });
    expect(await readFile(file('conf/url'), 'utf8')).toBe('postgres://app@$(DB)');
    expect((await stat(file('db.json'))).mode & 0o777).toBe(0o400);
  });

  it('removes the files when its pod is deleted, because the broker has closed its session', async () => {
    await deletePod(kube, pod);
    await eventually('the files are gone', () =>
      readFile(file('db.json')).then(
        () => undefined,
        () => true,
      ),
    );
  });

  it('exits with 0 when the pod requests it', async () => {
    const end = once(agent, 'exit');
    agent.kill('SIGTERM');
    expect(await end).toEqual([0, null]);
  });
});
