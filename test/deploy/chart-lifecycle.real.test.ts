import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { connect } from 'node:tls';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { load } from 'js-yaml';
import { describeWith } from '../kit/backends/backends.ts';
import type { Running } from '../kit/backends/footprint.ts';
import { freePort } from '../kit/backends/free-port.ts';
import { runHelm } from '../kit/backends/helm-calls.ts';
import { kubeCall, kubeRequest } from '../kit/backends/kube-calls.ts';
import {
  createNamespace,
  createPod,
  createServiceAccount,
  deletePod,
} from '../kit/backends/kube-objects.ts';
import { boundToken } from '../kit/backends/kube-tokens.ts';
import { startKube, type Kube } from '../kit/backends/kube.ts';
import { until } from '../kit/backends/until.ts';
import { InjectorPod } from '../kit/delivery/injector-pod.ts';
import { Installation } from '../kit/broker/installation.ts';
import type { Manifest } from '../kit/backends/kube-apply.ts';
import { CHART, VALUES } from './chart.ts';
import { only } from './manifests.ts';
import { podTemplate } from './verdicts.ts';

const INJECTOR = { injector: { enabled: true, cluster: 'home' } };
const WEBHOOK =
  '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/quaymaster-injector';
const NAMESPACE = 'quaymaster';

interface WebhookConfiguration {
  readonly webhooks: readonly { readonly clientConfig: { readonly caBundle?: string } }[];
}

// A cluster of its own: cluster-wide objects have the names of a real installation.
describeWith(['helm', 'kube'], 'a release of the chart', ({ helm }) => {
  let kube: Running<Kube>;
  let broker: Installation;
  let operator: string;
  let recipients: readonly string[];

  beforeAll(async () => {
    broker = await Installation.make();
    kube = await startKube();
    await createNamespace(kube, NAMESPACE);
    await writeFile(join(helm.directory, 'cluster-ca.crt'), kube.caPem);
  });
  afterAll(async () => {
    await broker.remove();
    await kube.stop();
  });

  async function release(verb: string, args: readonly string[], values = {}): Promise<string> {
    const cluster = [
      ['--kube-apiserver', kube.server],
      ['--kube-token', kube.adminToken],
      ['--kube-ca-file', join(helm.directory, 'cluster-ca.crt')],
      ['--namespace', NAMESPACE],
    ].flat();
    const { code, stdout, stderr } = await runHelm(helm, [verb, ...args, ...cluster], values);
    if (code !== 0) throw new Error(stderr);
    return stdout;
  }

  async function replicas(): Promise<number> {
    const path = `/apis/apps/v1/namespaces/${NAMESPACE}/statefulsets/quaymaster`;
    const { spec } = (await kubeCall(kube, 'GET', path)) as { spec: { replicas: number } };
    return spec.replicas;
  }

  async function status(path: string): Promise<number> {
    return (await kubeRequest(kube, 'GET', path)).status;
  }

  async function authority(): Promise<string | undefined> {
    const { webhooks } = (await kubeCall(kube, 'GET', WEBHOOK)) as WebhookConfiguration;
    return webhooks[0]!.clientConfig.caBundle;
  }

  /** The chart's configuration, with the differences of this machine: addresses, and the access to the API server. */
  async function brokerSettings(): Promise<Readonly<Record<string, unknown>>> {
    const path = `/api/v1/namespaces/${NAMESPACE}/configmaps/quaymaster`;
    const { data } = (await kubeCall(kube, 'GET', path)) as { data: { 'config.yaml': string } };
    const { injector } = load(data['config.yaml']) as {
      injector: { broker: object; certificate: { files: Record<string, string> } };
    };
    const secret = `/api/v1/namespaces/${NAMESPACE}/secrets/quaymaster-injector-tls`;
    const kept = (await kubeCall(kube, 'GET', secret)) as { data: Record<string, string> };
    const files: Record<string, string> = {};
    for (const [field, path] of Object.entries(injector.certificate.files)) {
      const name = basename(path);
      files[field] = await broker.write(name, Buffer.from(kept.data[name]!, 'base64').toString());
    }
    const request = { namespace: NAMESPACE, serviceAccount: 'quaymaster', audience: kube.issuer };
    const home = {
      type: 'kubernetes',
      server: kube.server,
      caFile: await broker.write('ca.crt', kube.caPem),
      tokenFile: await broker.write('token', await boundToken(kube, request)),
    };
    const printed = await broker.verb('backup', 'keygen', broker.file('backup.key'));
    recipients = [/age1\w+/.exec(printed)?.[0] ?? ''];
    const listener = { host: '127.0.0.1', port: await freePort() };
    const itself = { ...injector.broker, caFile: home.caFile };
    return {
      connections: { home },
      backup: { directory: broker.file('backups'), recipients },
      injector: { ...injector, certificate: { files }, listener, broker: itself },
    };
  }

  const job = `/apis/batch/v1/namespaces/${NAMESPACE}/jobs/quaymaster-init`;

  it('is refused if injected pods would get no authority of the certificate', async () => {
    const secrets = `/api/v1/namespaces/${NAMESPACE}/secrets`;
    const [crt, key] = [kube.caPem, 'x'].map((text) => Buffer.from(text).toString('base64'));
    await kubeCall(kube, 'POST', secrets, {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'quaymaster-tls' },
      data: { 'tls.crt': crt, 'tls.key': key },
    });
    await expect(release('install', ['quaymaster', CHART, ...VALUES], INJECTOR)).rejects.toThrow(
      /Secret quaymaster-tls has no ca\.crt.*injector\.broker\.caFile to public/,
    );
    await kubeCall(kube, 'DELETE', `${secrets}/quaymaster-tls`);
  });

  it('is installed with the Job and no broker, and prints the next steps', async () => {
    const values = { initialise: { enabled: true }, ...INJECTOR };
    const notes = await release('install', ['quaymaster', CHART, ...VALUES], values);
    expect(await status(job)).toBe(200);
    expect(await replicas()).toBe(0);
    expect(notes).toMatch(/helm upgrade quaymaster .* --set initialise\.enabled=false/);
    expect(notes).toContain('create secret generic quaymaster-tls --type=kubernetes.io/tls');
    expect(notes).toContain('--from-file=ca.crt');
  });

  it('has the broker in place of the Job once it is upgraded', async () => {
    const next = ['--reuse-values', '--set', 'initialise.enabled=false'];
    await release('upgrade', ['quaymaster', CHART, ...next]);
    expect(await status(job)).toBe(404);
    expect(await replicas()).toBe(1);
  });

  it('gets the authority of the webhook and a certificate from Helm, and the injector answers with it', async () => {
    const settings = await brokerSettings();
    await broker.configure(settings);
    operator = await broker.initialise();
    await broker.start();
    const ca = Buffer.from((await authority())!, 'base64').toString();
    const { port } = (settings['injector'] as { listener: { port: number } }).listener;
    const servername = `quaymaster-injector.${NAMESPACE}.svc`;
    // Without a listener of metrics it has no probes.
    const ports = { injector: port, metrics: 0 };
    const pod = InjectorPod.start(['injector'], broker.file('config.yaml'), ports);
    await until('the injector listens', () => Promise.resolve(pod.output.includes('"listening"')));
    const peer = connect({ host: '127.0.0.1', port, ca, servername });
    await once(peer, 'secureConnect');
    expect([peer.authorized, peer.getPeerX509Certificate()?.ca]).toEqual([true, false]);
    peer.destroy();
    await pod.stop('SIGKILL');
  });

  it("lets pods of its cluster log in, with no more than its account's rights", async () => {
    await broker.create(operator, '/clusters/home', {
      connection: 'home',
      issuer: kube.issuer,
      audiences: ['quaymaster'],
      mode: 'both',
    });
    await createNamespace(kube, 'shop');
    await createServiceAccount(kube, 'shop', 'web');
    const pod = await createPod(kube, { namespace: 'shop', serviceAccount: 'web' });
    const request = { namespace: 'shop', serviceAccount: 'web', audience: 'quaymaster', pod };
    const body = { cluster: 'home', token: await boundToken(kube, request) };
    const logIn = async (): Promise<number> =>
      (await broker.call('POST', '/api/v1/sessions', { body })).status;
    await until('the pod is let in', async () => (await logIn()) === 201);
    await deletePod(kube, pod);
    await until('the watch reports its end', async () => (await logIn()) === 401);
  });

  /** Runs the command of the release's only Job by the program, on the files of the broker. */
  async function runJob(task: string): Promise<string> {
    const selector = 'labelSelector=app.kubernetes.io/component';
    const jobs = `/apis/batch/v1/namespaces/${NAMESPACE}/jobs?${selector}`;
    const { items } = (await kubeCall(kube, 'GET', jobs)) as { items: readonly Manifest[] };
    const made = only(
      items.map((item) => ({ ...item, kind: 'Job' })),
      'Job',
    );
    const { containers } = podTemplate(made).spec as unknown as {
      containers: readonly { readonly name: string; readonly args: readonly string[] }[];
    };
    const [{ name, args } = { name: '', args: [] }] = containers;
    expect(name).toBe(task);
    const volumes = /^\/var\/lib\/quaymaster-(?=backups\/)|^\/etc\/quaymaster-identity\//;
    const words = args.map((word) => word.replace(volumes, `${broker.directory}/`));
    return broker.verb(...words, '--config', broker.file('config.yaml'));
  }

  it('restores a backup and unlocks the store by Jobs, while no broker runs', async () => {
    expect((await broker.call('POST', '/api/v1/backups', { token: operator })).status).toBe(202);
    let from = '';
    await until('the backup is there', async () => {
      const { json } = await broker.call('GET', '/api/v1/backups', { token: operator });
      from = (json['items'] as readonly { readonly name: string }[])[0]?.name ?? '';
      return from !== '';
    });
    await broker.create(operator, '/operators/late', { grants: [{ role: 'auditor' }] });
    expect(await broker.stop()).toBe(0);
    const upgrade = (values: object): Promise<string> =>
      release('upgrade', ['quaymaster', CHART, '--reuse-values', '--values', '-'], values);

    const restore = { from, identitySecret: 'backup-identity' };
    const notes = await upgrade({ config: { backup: { recipients } }, restore });
    expect(notes).toContain('delete secret backup-identity');
    expect(await replicas()).toBe(0);
    expect(await runJob('restore')).toContain('restored and verified');

    await upgrade({ restore: { from: '' }, unlock: { comment: 'restored, INC-12' } });
    expect(await replicas()).toBe(0);
    expect(await runJob('unlock')).toContain('unlocked');

    await upgrade({ unlock: { comment: '' } });
    expect(await replicas()).toBe(1);
    await broker.start();
    const late = await broker.call('GET', '/api/v1/operators/late', { token: operator });
    expect(late.status).toBe(404);
    expect(await broker.stop()).toBe(0);
  });

  it('keeps that authority through upgrades, of either kind', async () => {
    const before = await authority();
    const change = ['--reuse-values', '--set', 'config.log.level=debug'];
    await release('upgrade', ['quaymaster', CHART, ...change]);
    await release('upgrade', ['quaymaster', CHART, '--reuse-values', '--server-side=false']);
    expect(await authority()).toBe(before);
  });

  it('lets the API server trust the former certificate too, until the upgrade after the one that makes the next', async () => {
    const secret = `/api/v1/namespaces/${NAMESPACE}/secrets/quaymaster-injector-tls`;
    const upgrade = (): Promise<string> =>
      release('upgrade', ['quaymaster', CHART, '--reuse-values']);
    const text = async (): Promise<string> =>
      Buffer.from((await authority()) ?? '', 'base64').toString();
    const former = await text();
    await kubeCall(kube, 'DELETE', secret);
    await upgrade();
    const both = await text();
    expect(both).toContain(former.trim());
    expect(both.match(/BEGIN CERTIFICATE/g)).toHaveLength(2);
    await upgrade();
    const next = await text();
    expect(next.match(/BEGIN CERTIFICATE/g)).toHaveLength(1);
    expect(both.replace(former.trim(), '')).toContain(next.trim());
  });

  it('leaves the volumes with the keys and the store when it is uninstalled', async () => {
    await release('uninstall', ['quaymaster']);
    const claims = `/api/v1/namespaces/${NAMESPACE}/persistentvolumeclaims`;
    expect(await status(`${claims}/quaymaster-keys`)).toBe(200);
    expect(await status(`${claims}/quaymaster-data`)).toBe(200);
    expect(await status(WEBHOOK)).toBe(404);
    expect(await status(`/apis/apps/v1/namespaces/${NAMESPACE}/statefulsets/quaymaster`)).toBe(404);
  });

  it('is installed again over the remaining volumes', async () => {
    await release('install', ['quaymaster', CHART, ...VALUES]);
    expect(await replicas()).toBe(1);
  });
});
