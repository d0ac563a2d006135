import {
  CreateSecretCommand,
  GetSecretValueCommand,
  ListSecretVersionIdsCommand,
  PutSecretValueCommand,
  SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import type { IncomingMessage } from 'node:http';
import type { SecretData } from '../../../src/domain/secrets/secret.ts';
import type { SecretProvider } from '../../../src/ports/secret-provider.ts';
import { grant } from '../backends/kube-apply.ts';
import { kubeRequest } from '../backends/kube-calls.ts';
import { createNamespace, createServiceAccount } from '../backends/kube-objects.ts';
import { boundToken } from '../backends/kube-tokens.ts';
import type { Kube } from '../backends/kube.ts';
import type { Moto } from '../backends/moto.ts';
import {
  createToken,
  mountEngine,
  openBaoCall,
  openBaoRequest,
} from '../backends/openbao-calls.ts';
import type { OpenBao } from '../backends/openbao.ts';
import { uniqueName } from '../backends/unique-name.ts';
import { until } from '../backends/until.ts';
import { awsFault, FakeAws } from '../fakes/fake-aws.ts';
import { CertificateAuthority } from '../network/certificates.ts';
import { LossyProxy, type LossyTarget } from '../network/lossy-proxy.ts';
import { VaultConnections } from '../providers/vault-connections.ts';
import { connect, REGION, setCredentials } from '../aws/aws-connection.ts';
import { KubernetesConnections, SecretOwner } from '../cluster/kubernetes-fixture.ts';
import type { PublishingFixture } from '../../contract/secret-publishing.contract.ts';

type Between = Required<Pick<PublishingFixture, 'unheard' | 'overtaken'>>;
type IsWrite = (request: IncomingMessage) => boolean;

/** A proxy before the server, and its fault during one piece of work. */
async function between(
  target: LossyTarget,
  isWrite: IsWrite,
  mount: (address: string) => Promise<SecretProvider>,
): Promise<Between & { close(): Promise<void> }> {
  const proxy = await LossyProxy.start(target);
  const provider = await mount(proxy.address);
  return {
    async unheard(work) {
      proxy.loses = isWrite;
      await work(provider);
      proxy.loses = undefined;
      if (proxy.lost === 0) throw new Error('no answer was lost');
    },
    async overtaken(meanwhile, work) {
      let left = 1;
      proxy.before = async (request) => {
        if (isWrite(request) && left-- > 0) await meanwhile();
      };
      await work(provider);
      proxy.before = undefined;
      if (left > 0) throw new Error('nothing was written');
    },
    close: () => proxy.close(),
  };
}

const KV_PATH = 'team';

function kvPolicy(engine: string, path: string, capabilities: string): string {
  return engine === 'kv-v2'
    ? `path "${path}/data/${KV_PATH}/*" { capabilities = [${capabilities}] }
path "${path}/metadata/${KV_PATH}/*" { capabilities = ["read"] }`
    : `path "${path}/${KV_PATH}/*" { capabilities = [${capabilities}] }`;
}

export async function kvPublishing(
  bao: OpenBao,
  engine: 'kv-v1' | 'kv-v2',
): Promise<PublishingFixture & { readonly path: string }> {
  const isV2 = engine === 'kv-v2';
  const path = await mountEngine(bao, 'kv', { options: { version: isV2 ? '2' : '1' } });
  if (isV2) {
    await until('KV v2 ready', async () => {
      return (await openBaoRequest(bao, 'GET', `${path}/config`)).status === 200;
    });
  }
  const connections = await VaultConnections.create();
  const mount = async (capabilities: string, address = bao.address): Promise<SecretProvider> => {
    const token = await createToken(bao, kvPolicy(engine, path, capabilities));
    const connection = await connections.connect(address, token);
    return connection.mount({ engine, path, root: KV_PATH });
  };
  const ALL = '"read", "create", "update"';
  const lossy = await between(
    { address: bao.address },
    ({ method }) => method === 'POST' || method === 'PUT',
    (address) => mount(ALL, address),
  );
  const data = isV2 ? `${path}/data/${KV_PATH}` : `${path}/${KV_PATH}`;
  return {
    ...lossy,
    path,
    provider: await mount(ALL),
    other: await mount(ALL),
    denied: await mount('"read"'),
    put: async (name, value) => {
      await openBaoCall(bao, 'POST', `${data}/${name}`, isV2 ? { data: value } : value);
    },
    written: async (name) => {
      if (!isV2) return undefined;
      const answer = await openBaoCall(bao, 'GET', `${path}/metadata/${KV_PATH}/${name}`);
      return (answer as { data: { current_version: number } }).data.current_version;
    },
    close: async () => {
      await lossy.close();
      await connections.close();
      await openBaoCall(bao, 'DELETE', `sys/mounts/${path}`);
    },
  };
}

function awsContent(data: SecretData): { SecretString: string } | { SecretBinary: Uint8Array } {
  const { value } = data;
  if (typeof value === 'object') return { SecretBinary: Buffer.from(value.base64, 'base64') };
  return { SecretString: JSON.stringify(data) };
}

/** A test's view of AWS, besides the common fixture. */
export interface AwsPublishing extends PublishingFixture {
  readonly base: string;
  readonly client: SecretsManagerClient;
  text(name: string): Promise<string | undefined>;
}

export async function awsPublishing(moto: Moto): Promise<AwsPublishing> {
  setCredentials();
  const base = `${uniqueName('publish')}/`;
  const client = new SecretsManagerClient({ region: REGION, endpoint: moto.endpoint });
  // moto lets every caller write, so a refusing server stands before it.
  const refusing = await FakeAws.start();
  const mount = async (endpoint: string): Promise<SecretProvider> =>
    (await connect(endpoint)).mount({ namePrefix: base });
  const isPut: IsWrite = ({ headers }) =>
    String(headers['x-amz-target']).endsWith('.PutSecretValue');
  const lossy = await between({ address: moto.endpoint }, isPut, mount);
  refusing.always(awsFault('AccessDeniedException', 'not allowed'));
  return {
    ...lossy,
    base,
    client,
    provider: await mount(moto.endpoint),
    other: await mount(moto.endpoint),
    denied: await mount(refusing.endpoint),
    async put(name, data) {
      const content = awsContent(data);
      const put = new PutSecretValueCommand({ SecretId: base + name, ...content });
      await client.send(put).catch(async () => {
        await client.send(new CreateSecretCommand({ Name: base + name, ...content }));
      });
    },
    async written(name) {
      const request = { SecretId: base + name, IncludeDeprecated: true };
      const { Versions } = await client.send(new ListSecretVersionIdsCommand(request));
      return Versions?.length ?? 0;
    },
    async text(name) {
      const request = { SecretId: base + name, VersionStage: 'AWSCURRENT' };
      return (await client.send(new GetSecretValueCommand(request))).SecretString;
    },
    close: async () => {
      client.destroy();
      await lossy.close();
      await refusing.close();
    },
  };
}

/** The rights that docs/providers/kubernetes.md asks operators to grant for rotation. */
const WRITER = [{ apiGroups: [''], resources: ['secrets'], verbs: ['get', 'patch'] }];
const READER = [{ apiGroups: [''], resources: ['secrets'], verbs: ['get'] }];

export async function kubernetesPublishing(
  kube: Kube,
): Promise<PublishingFixture & { readonly namespace: string }> {
  const namespace = uniqueName('ns');
  await createNamespace(kube, namespace);
  const mount = async (connections: KubernetesConnections, rules: typeof WRITER) => {
    const name = uniqueName('broker');
    await createServiceAccount(kube, 'default', name);
    await grant(kube, { namespace: 'default', name }, rules);
    const account = { namespace: 'default', serviceAccount: name, audience: kube.issuer };
    const connection = await connections.connect(await boundToken(kube, account));
    return connection.mount({ namespace });
  };
  const direct = await KubernetesConnections.create(kube);
  const authority = new CertificateAuthority();
  const own = authority.issue({ commonName: 'proxy', ipAddresses: ['127.0.0.1'] });
  let proxied: KubernetesConnections | undefined;
  const lossy = await between(
    { address: kube.server, tls: { ca: kube.caPem, own } },
    ({ method }) => method === 'PATCH',
    async (server) => {
      proxied = await KubernetesConnections.create({ ...kube, server, caPem: authority.cert });
      return mount(proxied, WRITER);
    },
  );
  const owner = new SecretOwner(kube, namespace);
  return {
    ...lossy,
    namespace,
    provider: await mount(direct, WRITER),
    other: await mount(direct, WRITER),
    denied: await mount(direct, READER),
    put: (name, data) => {
      const values = Object.entries(data).map(([key, value]) => [
        key,
        typeof value === 'string' ? value : Buffer.from(value.base64, 'base64'),
      ]);
      return owner.put(name, Object.fromEntries(values) as Record<string, string | Uint8Array>);
    },
    written: async (name) => {
      // One manager per kind of write, each with a time: the resource version is the server's, and not a count.
      const path = `/api/v1/namespaces/${namespace}/secrets/${name}`;
      const { body } = await kubeRequest(kube, 'GET', path);
      const { metadata } = body as { metadata: { managedFields: { manager: string }[] } };
      return metadata.managedFields.filter(({ manager }) => manager === 'quaymaster').length;
    },
    close: async () => {
      await lossy.close();
      await proxied?.close();
      await direct.close();
    },
  };
}
