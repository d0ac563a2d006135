import { until } from '../backends/until.ts';
import type { FakeApiServer } from '../fakes/fake-api-server.ts';
import type { FakePod } from '../fakes/fake-pods.ts';
import type { Answered, RunningApi } from '../api/running-api.ts';

interface Cluster {
  readonly api: RunningApi;
  /** API server of the broker's connection "kube". */
  readonly kube: FakeApiServer;
}

/** Registers the API server as the cluster "watched", and lets service accounts of the namespace "prod" read app/**, where app/db is a secret. */
export async function watchCluster(
  { api, kube }: Cluster,
  serviceAccounts = ['api'],
): Promise<void> {
  const { issuer } = kube;
  await api.put('clusters/watched', { connection: 'kube', issuer, audiences: ['quaymaster'] });
  await api.put('policies/watched', {
    apiVersion: 'quaymaster.dev/v1',
    kind: 'AccessPolicy',
    metadata: { name: 'watched' },
    spec: {
      subjects: [{ clusters: ['watched'], namespaces: ['prod'], serviceAccounts }],
      rules: [{ name: 'read', effect: 'allow', capabilities: ['read'], paths: ['app/**'] }],
    },
  });
  await writeNew(api, 'app/db');
}

export async function writeNew(api: RunningApi, path: string): Promise<void> {
  await api.call('PUT', `/api/v1/secrets/${path}`, {
    token: api.admin,
    body: { data: { password: 'v' } },
    headers: { 'If-None-Match': '*' },
  });
}

interface ReadingPod {
  readonly name: string;
  readonly image: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** The token of a new pod of the namespace "prod" with one container. */
export async function podToken(
  { api, kube }: Cluster,
  { name, image, labels }: ReadingPod,
): Promise<string> {
  const pod = kube.pods.create({
    namespace: 'prod',
    serviceAccount: 'api',
    name,
    labels,
    spec: { containers: [{ name: 'web', image }] },
  });
  const made = await logInPod({ api, kube }, pod);
  if (made.status !== 201) throw new Error(made.text);
  return made.body.token as string;
}

export interface Holder {
  readonly pod: FakePod;
  readonly token: string;
}

/** The pod with a session that has read app/db, known to the watch. */
export async function holderOf({ api, kube }: Cluster, pod: FakePod): Promise<Holder> {
  const watch = api.broker.parts.clusters.watch('watched');
  await until('the watch knows the pod', () =>
    Promise.resolve(watch?.find(pod.metadata.uid) !== undefined),
  );
  const token = (await logInPod({ api, kube }, pod)).body.token as string;
  const { status } = await api.call('GET', '/api/v1/secrets/app/db', { token });
  if (status !== 200) throw new Error(`the pod reads app/db: ${status}`);
  return { pod, token };
}

/** A login of a pod of the namespace "prod". */
export function logInPod({ api, kube }: Cluster, pod: FakePod): Promise<Answered> {
  const { serviceAccountName: serviceAccount } = pod.spec;
  const wish = { namespace: 'prod', serviceAccount, audience: ['quaymaster'], pod };
  const body = { cluster: 'watched', token: kube.token(wish) };
  return api.call('POST', '/api/v1/sessions', { body });
}
