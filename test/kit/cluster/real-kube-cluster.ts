import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectKubernetes } from '../../../src/providers/kubernetes/client/client.ts';
import { grant } from '../backends/kube-apply.ts';
import { kubeCall, kubeRequest } from '../backends/kube-calls.ts';
import type { KubeObject } from '../backends/kube-calls.ts';
import {
  addEphemeralContainer,
  createNamespace,
  createPod,
  createServiceAccount,
  deletePod,
  setPodStatus,
} from '../backends/kube-objects.ts';
import { boundToken } from '../backends/kube-tokens.ts';
import type { Kube } from '../backends/kube.ts';
import { endProcess } from '../backends/process-id.ts';
import { startServer } from '../backends/server-process.ts';
import { until } from '../backends/until.ts';
import type { KubeCluster, PodRef } from './kube-cluster.ts';

/** The rights that docs/clusters.md gives the broker. */
const BROKER_RULES = [
  { apiGroups: ['authentication.k8s.io'], resources: ['tokenreviews'], verbs: ['create'] },
  { apiGroups: [''], resources: ['pods'], verbs: ['get', 'list', 'watch'] },
  { nonResourceURLs: ['/openid/v1/jwks'], verbs: ['get'] },
];

/** The real API server, with an account that has only the broker's rights. */
export async function realKubeCluster(kube: Kube): Promise<KubeCluster> {
  const directory = await mkdtemp(join(tmpdir(), 'qm-kube-'));
  const caFile = join(directory, 'ca.pem');
  const tokenFile = join(directory, 'token');
  await writeFile(caFile, kube.caPem);
  await writeFile(tokenFile, await brokerToken(kube));
  const { server } = kube;
  const api = await connectKubernetes({ type: 'kubernetes', server, caFile, tokenFile });
  return {
    issuer: kube.issuer,
    api,
    createNamespace: async () => (await createNamespace(kube)).metadata.name,
    createAccount: async (namespace, name) =>
      (await createServiceAccount(kube, namespace, name)).metadata.uid,
    removeAccount: async (namespace, name) => {
      await kubeCall(kube, 'DELETE', `/api/v1/namespaces/${namespace}/serviceaccounts/${name}`);
    },
    createPod: async (pod) => (await createPod(kube, pod)).metadata,
    debug: async (pod, container) => {
      await addEphemeralContainer(kube, objectOf(pod), container);
    },
    setPhase: async (pod, phase) => {
      await setPodStatus(kube, objectOf(pod), { phase });
    },
    terminate: (pod, seconds) => deletePod(kube, objectOf(pod), seconds),
    remove: (pod) => deletePod(kube, objectOf(pod)),
    token: ({ pod, ...wish }) => boundToken(kube, { ...wish, ...(pod && { pod: objectOf(pod) }) }),
    restart: () => restart(kube),
    async close() {
      api.close();
      await rm(directory, { recursive: true });
    },
  };
}

function objectOf(pod: PodRef): KubeObject {
  return { metadata: { ...pod, resourceVersion: '' } };
}

async function brokerToken(kube: Kube): Promise<string> {
  const namespace = (await createNamespace(kube)).metadata.name;
  await createServiceAccount(kube, namespace, 'quaymaster');
  await grant(kube, { namespace, name: 'quaymaster' }, BROKER_RULES);
  const audience = kube.issuer;
  const adminToken = await boundToken(kube, {
    namespace,
    serviceAccount: 'quaymaster',
    audience,
    expirationSeconds: 3600,
  });
  await until('the grant is known', async () => {
    return (await kubeRequest({ ...kube, adminToken }, 'GET', '/api/v1/pods')).status === 200;
  });
  return adminToken;
}

/** Restarts the API server with the same options; etcd keeps running. Only for a server that no other suite uses. */
async function restart(kube: Kube): Promise<void> {
  const apiserver = kube.processes.at(-1)!;
  const commandLine = await readFile(`/proc/${apiserver.pid}/cmdline`, 'utf8');
  const [command = '', ...args] = commandLine.split('\0').slice(0, -1);
  await endProcess(apiserver);
  const next = await startServer({
    command,
    args,
    cwd: kube.directory,
    logFile: join(kube.directory, 'apiserver.log'),
    keep: false,
    ready: async () => (await kubeRequest(kube, 'GET', '/readyz')).status === 200,
  });
  (kube.processes as unknown[]).push(next);
}
