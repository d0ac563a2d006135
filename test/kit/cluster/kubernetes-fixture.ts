import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../../src/process/clock.ts';
import { kubernetesProviderConnectionSchema } from '../../../src/providers/kubernetes/config.ts';
import { openKubernetes } from '../../../src/providers/kubernetes/open.ts';
import { kubeRequest, type KubeAccess } from '../backends/kube-calls.ts';
import { closableProvider, type ClosableProvider } from '../providers/closable-provider.ts';
import { PATIENT } from '../providers/longest-timeout.ts';

/** The broker's namespace and audience in these tests. */
export const OWN = { namespace: 'quaymaster', audience: 'quaymaster.test' };

/** Connections to one API server, each with its own token file; `close` closes all of them. */
export class KubernetesConnections {
  readonly #kube: KubeAccess;
  readonly #directory: string;
  readonly #open: ClosableProvider[] = [];

  private constructor(kube: KubeAccess, directory: string) {
    this.#kube = kube;
    this.#directory = directory;
  }

  static async create(kube: KubeAccess): Promise<KubernetesConnections> {
    const directory = await mkdtemp(join(tmpdir(), 'quaymaster-kubernetes-'));
    await writeFile(join(directory, 'ca.pem'), kube.caPem);
    return new KubernetesConnections(kube, directory);
  }

  async connect(token: string, limits: object = {}): Promise<ClosableProvider> {
    const tokenFile = join(this.#directory, `token-${this.#open.length}`);
    await writeFile(tokenFile, `${token}\n`, { mode: 0o600 });
    const config = kubernetesProviderConnectionSchema.parse({
      type: 'kubernetes',
      server: this.#kube.server,
      caFile: join(this.#directory, 'ca.pem'),
      tokenFile,
      limits: { ...PATIENT, ...limits },
      locators: ['**'],
    });
    const opened = await openKubernetes('kubernetes', config, {
      clock: systemClock,
      connection: 'kubernetes',
      forbiddenNamespaces: [OWN.namespace],
      forbiddenAudiences: [OWN.audience],
    });
    const connection = closableProvider(opened);
    this.#open.push(connection);
    return connection;
  }

  async close(): Promise<void> {
    await Promise.all(this.#open.map((connection) => connection.close()));
    await rm(this.#directory, { recursive: true });
  }
}

/** The owner of the Secrets in one namespace. */
export class SecretOwner {
  readonly #kube: KubeAccess;
  readonly #path: string;

  constructor(kube: KubeAccess, namespace: string) {
    this.#kube = kube;
    this.#path = `/api/v1/namespaces/${namespace}/secrets`;
  }

  async put(name: string, data: Readonly<Record<string, string | Uint8Array>>): Promise<void> {
    const encoded = Object.entries(data).map(([key, value]) => [
      key,
      Buffer.from(value as string).toString('base64'),
    ]);
    const body = { metadata: { name }, data: Object.fromEntries(encoded) as object };
    const created = await kubeRequest(this.#kube, 'POST', this.#path, body);
    if (created.status === 201) return;
    const replaced = await kubeRequest(this.#kube, 'PUT', `${this.#path}/${name}`, body);
    if (replaced.status !== 200) throw new Error(JSON.stringify(replaced.body));
  }

  async remove(name: string): Promise<void> {
    await kubeRequest(this.#kube, 'DELETE', `${this.#path}/${name}`);
  }

  async uidOf(name: string): Promise<string> {
    const { body } = await kubeRequest(this.#kube, 'GET', `${this.#path}/${name}`);
    return (body as { readonly metadata: { readonly uid: string } }).metadata.uid;
  }

  /** Lists the names of Secrets with this label. */
  async labelled(label: string): Promise<readonly string[]> {
    const path = `${this.#path}?labelSelector=${encodeURIComponent(label)}`;
    const { body } = await kubeRequest(this.#kube, 'GET', path);
    const { items } = body as {
      readonly items: readonly { readonly metadata: { readonly name: string } }[];
    };
    return items.map(({ metadata }) => metadata.name);
  }
}
