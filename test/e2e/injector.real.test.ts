import { connect } from 'node:tls';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { inject } from '../../src/delivery/injector/inject.ts';
import { describeWith } from '../kit/backends/backends.ts';
import { kubeRequest } from '../kit/backends/kube-calls.ts';
import { until } from '../kit/backends/until.ts';
import { podWith, SETTINGS } from '../kit/delivery/injected-pods.ts';
import { InjectorBench, WANTED } from '../kit/delivery/injector-bench.ts';

/** The currently presented certificate, PEM without its end of line. */
async function presented(port: number): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false }, () => {
    const raw = socket.getPeerCertificate().raw.toString('base64');
    socket.end();
    resolve(raw);
  });
  socket.on('error', reject);
  return promise;
}

describeWith(['kube'], 'the injector behind a real API server', ({ kube }) => {
  let bench: InjectorBench;
  let namespace: string;

  beforeAll(async () => {
    bench = await InjectorBench.open(kube);
    namespace = await bench.namespace();
  });
  afterAll(() => bench.close());

  it('returns pods with the agent in them', async () => {
    const { status, pod } = await bench.create(namespace, { annotations: WANTED });
    expect(status).toBe(201);
    expect(pod.spec.initContainers).toMatchObject([
      { name: 'quaymaster-agent', restartPolicy: 'Always' },
    ]);
    expect(pod.spec.containers[0]?.volumeMounts).toContainEqual({
      name: 'quaymaster-secrets',
      mountPath: '/var/run/quaymaster/secrets',
      readOnly: true,
    });
    const config: unknown = JSON.parse(pod.spec.initContainers?.[0]?.env?.[0]?.value ?? '');
    expect(config).toMatchObject({
      broker: { ca: expect.stringMatching(/^-----BEGIN CERTIFICATE-----/) },
      cluster: 'prod',
    });
  });

  it('keeps pods without annotations unchanged, and namespaces that did not opt in', async () => {
    const { pod } = await bench.create(namespace, {});
    expect(pod.spec.initContainers).toBeUndefined();
    const elsewhere = await bench.namespace({ 'quaymaster.dev/inject': 'no' });
    const other = await bench.create(elsewhere, { annotations: WANTED });
    expect(other.status).toBe(201);
    expect(other.pod.spec.initContainers).toBeUndefined();
  });

  it('refuses a pod with invalid annotations, and names them and the reason', async () => {
    const annotations = { ...WANTED, 'quaymaster.dev/mode-db': '999', 'quaymaster.dev/typo': 'x' };
    const { status, message } = await bench.create(namespace, { annotations });
    expect(status).toBe(422);
    expect(message).toContain('quaymaster.dev/typo: is not a known annotation');
    expect(message).toContain('quaymaster.dev/mode-db: must be an octal mode in quotes');
    expect(message).not.toContain('only the agent could read');
  });

  it('returns the same pod when its result is created again', async () => {
    const { pod } = await bench.create(namespace, { annotations: WANTED, dryRun: true });
    const again = await bench.create(namespace, {
      annotations: pod.metadata['annotations'] as Record<string, string>,
      spec: pod.spec as unknown as Record<string, unknown>,
      dryRun: true,
    });
    expect(again.status).toBe(201);
    expect(again.pod.spec).toEqual(pod.spec);
  });

  it('makes pods that the restricted level admits', async () => {
    const strict = await bench.namespace({ 'pod-security.kubernetes.io/enforce': 'restricted' });
    const limits = {
      allowPrivilegeEscalation: false,
      runAsNonRoot: true,
      capabilities: { drop: ['ALL'] },
      seccompProfile: { type: 'RuntimeDefault' },
    };
    const spec = { containers: [{ name: 'app', image: 'a', securityContext: limits }] };
    const own = { ...spec, securityContext: { runAsUser: 1000 } };
    for (const wish of [{ spec }, { spec: own }]) {
      const { status, message } = await bench.create(strict, { annotations: WANTED, ...wish });
      expect([status, message]).toEqual([201, '']);
    }
    const { status } = await bench.create(strict, { annotations: WANTED });
    expect(status).toBe(403);
  });

  it.each([
    ['init containers and plain sidecars', {}, false],
    ['init containers alone', { once: 'true' }, true],
  ])('makes valid pods with %s', async (_what, annotations, hasNativeSidecars) => {
    const plain = await bench.namespace({ 'quaymaster.dev/inject': 'no' });
    const injection = inject(podWith(annotations), { ...SETTINGS, hasNativeSidecars });
    const { pod } = injection as { readonly pod: object };
    const path = `/api/v1/namespaces/${plain}/pods?dryRun=All&fieldValidation=Strict`;
    expect(await kubeRequest(kube, 'POST', path, pod)).toMatchObject({ status: 201 });
  });

  it('counts the results', async () => {
    const text = await bench.metrics.registry.getSingleMetricAsString(
      'quaymaster_injections_total',
    );
    for (const outcome of ['injected', 'unchanged', 'denied']) {
      expect(text).toMatch(new RegExp(`outcome="${outcome}"\\} [1-9]`));
    }
    const trusted = await bench.metrics.registry.getSingleMetricAsString(
      'quaymaster_injector_trusted',
    );
    expect(trusted).toMatch(/ 1$/);
  });

  it('enters its certificate again when the configuration was recreated', async () => {
    await bench.applyAnew();
    await until('pods are injected again', async () => {
      const { status, pod } = await bench.create(namespace, { annotations: WANTED, dryRun: true });
      return status === 201 && pod.spec.initContainers !== undefined;
    });
    expect(await bench.bundle()).toHaveLength(1);
  });

  it('shares the configuration with other injectors', async () => {
    await bench.start();
    expect(await bench.bundle()).toHaveLength(2);
    const { status } = await bench.create(namespace, { annotations: WANTED, dryRun: true });
    expect(status).toBe(201);
  });

  it('is required: without it a pod that opted in is not created', async () => {
    await bench.stop();
    const { status, message } = await bench.create(namespace, { annotations: WANTED });
    expect(status).toBe(500);
    expect(message).toContain('inject.quaymaster.dev');
  });
});

describeWith(['kube'], 'the certificate of the injector', ({ kube }) => {
  it('is renewed under traffic in each of two, without a refused pod', async () => {
    const times = { lifetime: 12_000, check: 200, learn: 500, spread: 1_000 };
    const bench = await InjectorBench.open(kube, { times });
    await bench.start({ times });
    const namespace = await bench.namespace();
    const seen = new Set<string>();
    const refused: string[] = [];
    for (let pods = 0; seen.size < 6 && pods < 5_000; pods += 1) {
      const { status, message } = await bench.create(namespace, {
        annotations: WANTED,
        dryRun: true,
      });
      if (status !== 201) refused.push(message);
      seen.add(await presented(bench.port));
    }
    expect(refused).toEqual([]);
    expect(seen.size).toBe(6);
    await bench.close();
  });
});
