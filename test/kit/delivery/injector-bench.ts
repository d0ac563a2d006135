import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { testMetrics } from '../api/test-metrics.ts';
import { systemClock } from '../../../src/process/clock.ts';
import { openInjector, type RunningInjector } from '../../../src/program/injector/injector.ts';
import type { CertificateTimes } from '../../../src/delivery/injector/managed-certificate.ts';
import { checkConfig } from '../../../src/program/config/load.ts';
import { freePort } from '../backends/free-port.ts';
import { apply, deleteObject, grant, type Manifest } from '../backends/kube-apply.ts';
import { kubeRequest, type KubeObject } from '../backends/kube-calls.ts';
import { createNamespace, createServiceAccount } from '../backends/kube-objects.ts';
import { boundToken } from '../backends/kube-tokens.ts';
import type { Kube } from '../backends/kube.ts';
import { uniqueName } from '../backends/unique-name.ts';
import { ServiceProxy } from '../network/service-proxy.ts';
import { until } from '../backends/until.ts';

const OPTED_IN = { 'quaymaster.dev/inject': 'enabled' };
const HOUR = 3_600_000;
/** A certificate that is not renewed, and a start that need not wait. */
const TIMES: CertificateTimes = { lifetime: 24 * HOUR, check: 10_000, learn: 0, spread: 60_000 };
const SILENT = { info: () => undefined, warn: () => undefined, error: () => undefined };

export interface InjectorOptions {
  readonly times?: CertificateTimes;
  readonly injector?: Readonly<Record<string, unknown>>;
}

/** The API server's answer to a new pod. */
export interface PodAnswer {
  readonly status: number;
  readonly message: string;
  readonly pod: KubeObject & { readonly spec: InjectedSpec };
}

interface InjectedSpec {
  readonly containers: readonly InjectedContainer[];
  readonly initContainers?: readonly InjectedContainer[];
}

interface InjectedContainer {
  readonly name: string;
  readonly restartPolicy?: string;
  readonly env?: readonly { readonly name: string; readonly value: string }[];
  readonly volumeMounts?: readonly { readonly name: string; readonly mountPath: string }[];
}

/** The webhook of a real API server, which calls it only for namespaces of this bench. */
export class InjectorBench {
  readonly kube: Kube;
  readonly metrics = testMetrics();
  readonly #service: ServiceProxy;
  readonly #directory: string;
  readonly #run = uniqueName('run');
  readonly #configuration: Manifest;
  readonly #running: RunningInjector[] = [];

  private constructor(kube: Kube, service: ServiceProxy, directory: string) {
    this.kube = kube;
    this.#service = service;
    this.#directory = directory;
    this.#configuration = {
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind: 'MutatingWebhookConfiguration',
      metadata: { name: this.#run },
      webhooks: [
        {
          name: 'inject.quaymaster.dev',
          clientConfig: { url: `https://localhost:${service.port}/inject` },
          rules: [
            { apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['pods'] },
          ],
          failurePolicy: 'Fail',
          namespaceSelector: { matchLabels: { ...OPTED_IN, 'quaymaster.test/run': this.#run } },
          reinvocationPolicy: 'IfNeeded',
          sideEffects: 'None',
          timeoutSeconds: 5,
          admissionReviewVersions: ['v1'],
        },
      ],
    };
  }

  static async open(kube: Kube, options: InjectorOptions = {}): Promise<InjectorBench> {
    const directory = await mkdtemp(join(tmpdir(), 'qm-injector-'));
    const bench = new InjectorBench(kube, await ServiceProxy.listen(), directory);
    await apply(kube, bench.#configuration);
    await bench.#writeAccess();
    await bench.start(options);
    const namespace = await bench.namespace();
    await until('the API server calls the webhook and trusts it', async () => {
      const { status, pod } = await bench.create(namespace, { annotations: WANTED, dryRun: true });
      return status === 201 && pod.spec.initContainers !== undefined;
    });
    return bench;
  }

  /** The rights of the chart: one object, by its name. */
  async #writeAccess(): Promise<void> {
    const { kube } = this;
    const namespace = (await createNamespace(kube)).metadata.name;
    await createServiceAccount(kube, namespace, 'quaymaster');
    await grant(kube, { namespace, name: 'quaymaster' }, [
      {
        apiGroups: ['admissionregistration.k8s.io'],
        resources: ['mutatingwebhookconfigurations'],
        resourceNames: [this.#run],
        verbs: ['get', 'patch'],
      },
    ]);
    const audience = kube.issuer;
    const token = await boundToken(kube, {
      namespace,
      serviceAccount: 'quaymaster',
      audience,
      expirationSeconds: 3_600,
    });
    await writeFile(join(this.#directory, 'token'), token);
    await writeFile(join(this.#directory, 'kube-ca.pem'), kube.caPem);
    await writeFile(join(this.#directory, 'broker-ca.pem'), `a comment\n${kube.caPem}`);
  }

  /** The port of the Service. */
  get port(): number {
    return this.#service.port;
  }

  /** Starts another injector. */
  async start({ times, injector = {} }: InjectorOptions = {}): Promise<RunningInjector> {
    const file = (name: string): string => join(this.#directory, name);
    const port = await freePort();
    const config = checkConfig(
      {
        store: { type: 'sqlite', path: file('store/db') },
        kek: { type: 'local-file', path: file('kek') },
        audit: { origin: 'quaymaster.test/i', logKeyFile: file('l'), checkpointFile: file('c') },
        connections: {
          kube: {
            type: 'kubernetes',
            server: this.kube.server,
            caFile: file('kube-ca.pem'),
            tokenFile: file('token'),
          },
        },
        injector: {
          listener: { host: '127.0.0.1', port },
          certificate: {
            managed: {
              connection: 'kube',
              webhookConfiguration: this.#run,
              dnsNames: ['localhost'],
            },
          },
          image: 'registry.test/quaymaster:1',
          broker: {
            url: 'https://quaymaster.test:8200',
            caFile: file('broker-ca.pem'),
            cluster: 'prod',
          },
          ...injector,
        },
      },
      'test',
    );
    const running = await openInjector(config.injector!, config.connections, {
      clock: systemClock,
      log: SILENT,
      metrics: this.#running.length === 0 ? this.metrics : testMetrics(),
      certificateTimes: times ?? TIMES,
    });
    this.#running.push(running);
    while (running.unready().length > 0) await systemClock.sleep(10);
    this.#service.add(port);
    return running;
  }

  /** A namespace with injection enabled. */
  async namespace(labels: Readonly<Record<string, string>> = {}): Promise<string> {
    const all = { ...OPTED_IN, 'quaymaster.test/run': this.#run, ...labels };
    const { name } = (await createNamespace(this.kube, uniqueName('injected'), all)).metadata;
    await createServiceAccount(this.kube, name, 'default');
    return name;
  }

  async create(namespace: string, wish: PodOptions = {}): Promise<PodAnswer> {
    const { annotations = {}, spec = {}, dryRun = false } = wish;
    const { status, body } = await kubeRequest(
      this.kube,
      'POST',
      `/api/v1/namespaces/${namespace}/pods?fieldValidation=Strict${dryRun ? '&dryRun=All' : ''}`,
      {
        metadata: { name: uniqueName('web'), annotations },
        spec: { containers: [{ name: 'app', image: 'registry.test/app:1' }], ...spec },
      },
    );
    return {
      status,
      message: (body as { readonly message?: string }).message ?? '',
      pod: body as PodAnswer['pod'],
    };
  }

  /** Reads the certificates that the API server trusts, as PEM. */
  async bundle(): Promise<readonly string[]> {
    const path = `/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/${this.#run}`;
    const { body } = await kubeRequest(this.kube, 'GET', path);
    const [webhook] = (body as { webhooks: { clientConfig: { caBundle?: string } }[] }).webhooks;
    const text = Buffer.from(webhook!.clientConfig.caBundle ?? '', 'base64').toString();
    return text.match(/-----BEGIN[^-]*-----[^-]*-----END[^-]*-----/g) ?? [];
  }

  /** Creates the object without our part, as `helm upgrade` would after another client had created it. */
  async applyAnew(): Promise<void> {
    await deleteObject(this.kube, this.#configuration);
    await apply(this.kube, this.#configuration);
  }

  async stop(): Promise<void> {
    for (const running of this.#running.splice(0)) {
      this.#service.remove(running.port);
      await running.close();
    }
  }

  async close(): Promise<void> {
    await this.stop();
    this.#service.close();
    await deleteObject(this.kube, this.#configuration);
    await rm(this.#directory, { recursive: true });
  }
}

export interface PodOptions {
  readonly annotations?: Readonly<Record<string, string>>;
  readonly spec?: Readonly<Record<string, unknown>>;
  readonly dryRun?: boolean;
}

/** One wanted secret. */
export const WANTED = {
  'quaymaster.dev/inject': 'true',
  'quaymaster.dev/secret-db': 'payments/db',
};
