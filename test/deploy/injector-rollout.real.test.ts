import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { dump, load } from 'js-yaml';
import { systemClock } from '../../src/process/clock.ts';
import { describeWith } from '../kit/backends/backends.ts';
import type { Running } from '../kit/backends/footprint.ts';
import { freePort } from '../kit/backends/free-port.ts';
import { kubeRequest } from '../kit/backends/kube-calls.ts';
import { createNamespace, createServiceAccount } from '../kit/backends/kube-objects.ts';
import { boundToken } from '../kit/backends/kube-tokens.ts';
import { startKube, type Kube } from '../kit/backends/kube.ts';
import { uniqueName } from '../kit/backends/unique-name.ts';
import { until } from '../kit/backends/until.ts';
import { InjectorPod } from '../kit/delivery/injector-pod.ts';
import { WANTED } from '../kit/delivery/injector-bench.ts';
import { ServiceProxy } from '../kit/network/service-proxy.ts';
import { renderChart } from './chart.ts';
import { applyStrictly, only } from './manifests.ts';
import { podTemplate } from './verdicts.ts';

const NAMESPACE = 'quaymaster';
const INJECTOR = { enabled: true, cluster: 'home', managedCertificate: true };
/** The kinds of objects that the injector needs. */
const KINDS = /^(?:ServiceAccount|ClusterRole|ClusterRoleBinding)$/;
/** A node learns of an endpoint that is gone after this time. */
const LAG_MS = 2_000;
/** The pause between two pods while processes are replaced. */
const PAUSE_MS = 50;
/** The pause while idle connections to the old processes end, which takes 90 s. An API server sends a single review on its newest connection: only bursts use the idle ones. */
const LATER_PAUSE_MS = 250;
/** Reviews of a burst at once, so that the API server has several connections. */
const BURST = 12;
const BURST_EVERY_MS = 5_000;

interface Container {
  readonly args: readonly string[];
}

/** Pods that are created at a steady rate with bursts between, and the answers. */
class Traffic {
  readonly refused: string[] = [];
  created = 0;
  pauseMs = PAUSE_MS;
  readonly #create: () => Promise<string>;
  readonly #asked: Promise<void>[] = [];
  #isOver = false;
  readonly #run: Promise<void>;

  /** `create` resolves with an empty text if the pod was injected, otherwise with what happened. */
  constructor(create: () => Promise<string>) {
    this.#create = create;
    this.#run = this.#go();
  }

  async #go(): Promise<void> {
    for (let sinceBurst = BURST_EVERY_MS; !this.#isOver; sinceBurst += this.pauseMs) {
      const atOnce = sinceBurst < BURST_EVERY_MS ? 1 : BURST;
      if (atOnce === BURST) sinceBurst = 0;
      for (let each = 0; each < atOnce; each += 1) this.#asked.push(this.#ask());
      await systemClock.sleep(this.pauseMs);
    }
  }

  async #ask(): Promise<void> {
    const problem = await this.#create();
    if (problem === '') this.created += 1;
    else this.refused.push(problem);
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#run;
    await Promise.all(this.#asked);
  }
}

// A cluster of its own: the webhook's configuration covers all namespaces of a cluster.
describeWith(['helm', 'kube'], 'a rolling update of the injector', ({ helm }) => {
  let kube: Running<Kube>;
  let directory: string;
  let service: ServiceProxy;
  let settings: object;
  let container: Container;
  let shop: string;
  const pods = new Set<InjectorPod>();

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'quaymaster-rollout-'));
    service = await ServiceProxy.listen();
    kube = await startKube();
    await createNamespace(kube, NAMESPACE);
    const objects = await renderChart(helm, { injector: INJECTOR });
    for (const object of objects.filter(({ kind }) => KINDS.test(kind)))
      await applyStrictly(kube, object);
    const configuration = only(objects, 'MutatingWebhookConfiguration');
    const [webhook] = configuration['webhooks'] as readonly object[];
    // This machine has no network of Services.
    const clientConfig = { url: `https://localhost:${service.port}/inject` };
    await applyStrictly(kube, { ...configuration, webhooks: [{ ...webhook, clientConfig }] });
    ({ container, settings } = await readPod(objects));
    const labels = { 'quaymaster.dev/inject': 'enabled' };
    shop = (await createNamespace(kube, uniqueName('shop'), labels)).metadata.name;
    await createServiceAccount(kube, shop, 'default');
  });
  afterAll(async () => {
    for (const pod of pods) await pod.stop('SIGKILL');
    service.close();
    await (kube as Running<Kube> | undefined)?.stop();
    await rm(directory, { recursive: true });
  });

  /** The container of the chart, and its configuration with the differences of this machine. */
  async function readPod(
    objects: Awaited<ReturnType<typeof renderChart>>,
  ): Promise<{ container: Container; settings: object }> {
    const { spec } = podTemplate(only(objects, 'Deployment'));
    const { data } = only(objects, 'ConfigMap') as unknown as { data: Record<string, string> };
    const { injector, ...config } = load(data['config.yaml'] ?? '') as {
      injector: { certificate: { managed: object }; broker: object };
    };
    const write = async (name: string, text: string): Promise<string> => {
      await writeFile(join(directory, name), text, { mode: 0o600 });
      return join(directory, name);
    };
    const caFile = await write('ca.crt', kube.caPem);
    const account = {
      namespace: NAMESPACE,
      serviceAccount: String(spec['serviceAccountName']),
      audience: kube.issuer,
      expirationSeconds: 3_600,
    };
    const tokenFile = await write('token', await boundToken(kube, account));
    const managed = { ...injector.certificate.managed, dnsNames: ['localhost'] };
    return {
      container: (spec['containers'] as readonly Container[])[0]!,
      settings: {
        ...config,
        connections: { home: { type: 'kubernetes', server: kube.server, caFile, tokenFile } },
        injector: {
          ...injector,
          certificate: { managed },
          broker: { ...injector.broker, caFile },
        },
      },
    };
  }

  /** Acts as the kubelet and as the controller of endpoints. */
  async function startPod(): Promise<InjectorPod> {
    const ports = { injector: await freePort(), metrics: await freePort() };
    const own = {
      ...settings,
      metrics: { listener: { host: '127.0.0.1', port: ports.metrics } },
      injector: {
        ...(settings as { injector: object }).injector,
        listener: { host: '127.0.0.1', port: ports.injector },
      },
    };
    const file = join(directory, `${ports.injector}.yaml`);
    await writeFile(file, dump(own));
    const pod = InjectorPod.start(container.args, file, ports);
    pods.add(pod);
    await pod.ready();
    service.add(pod.port);
    return pod;
  }

  /** Ends a pod. The node keeps sending it connections for a while. */
  async function endPod(pod: InjectorPod): Promise<number | null> {
    const ended = pod.stop();
    await systemClock.sleep(LAG_MS);
    service.remove(pod.port);
    return ended;
  }

  async function createPod(): Promise<string> {
    const path = `/api/v1/namespaces/${shop}/pods?dryRun=All`;
    const { status, body } = await kubeRequest(kube, 'POST', path, {
      metadata: { name: uniqueName('web'), annotations: WANTED },
      spec: { containers: [{ name: 'app', image: 'registry.test/app:1' }] },
    });
    const { message = '', spec } = body as {
      readonly message?: string;
      readonly spec?: { readonly initContainers?: unknown };
    };
    if (status !== 201) return `${status} ${message}`;
    return spec?.initContainers === undefined ? 'it was not injected' : '';
  }

  it('refuses no pod, however the processes are replaced and ended meanwhile', async () => {
    let running = [await startPod(), await startPod()];
    await until('a pod is injected', async () => (await createPod()) === '');
    const traffic = new Traffic(createPod);
    const ends: Promise<number | null>[] = [];
    for (let update = 0; update < 2; update += 1) {
      const next: InjectorPod[] = [];
      // At most one more than two, and never fewer.
      for (const old of running) {
        next.push(await startPod());
        ends.push(endPod(old));
        await systemClock.sleep(Math.random() * 1_000);
      }
      running = next;
    }
    await systemClock.sleep(LAG_MS);
    traffic.pauseMs = LATER_PAUSE_MS;
    const codes = await Promise.all(ends);
    await traffic.stop();
    expect(traffic.refused).toEqual([]);
    expect(traffic.created).toBeGreaterThan(200);
    // All connections ended in time: the kubelet would kill them otherwise.
    expect(codes).toEqual([0, 0, 0, 0]);
  });
});
