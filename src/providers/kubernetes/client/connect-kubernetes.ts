import type { KubernetesAccess } from './config.ts';
import { FileCredentials, IN_CLUSTER } from './file-credentials.ts';
import { HttpsKubernetesApi } from './client.ts';
import { loadKubeconfig } from './credentials.ts';
import type { KubernetesApi } from '../../../ports/kubernetes-api.ts';
import type { KubernetesCredentials } from './kubernetes-credentials.ts';

/** Opens no connection yet. @throws ERR_CONFIG_INVALID for a kubeconfig file that cannot be used. */
export async function connectKubernetes(access: KubernetesAccess): Promise<KubernetesApi> {
  return new HttpsKubernetesApi(await credentialsOf(access));
}

async function credentialsOf(access: KubernetesAccess): Promise<KubernetesCredentials> {
  if (access.kubeconfigFile !== undefined) {
    return loadKubeconfig(access.kubeconfigFile, access.context);
  }
  const { server, tokenFile, caFile } = access;
  if (server === undefined || tokenFile === undefined) return new FileCredentials(IN_CLUSTER);
  return new FileCredentials({ server, tokenFile, caFile });
}
