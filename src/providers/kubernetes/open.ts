import type { Backend, BackendDeps } from '../../ports/backend.ts';
import { createGuard } from '../guard/guard.ts';
import { parseOptions } from '../parse-options.ts';
import { refuseForbiddenNamespace } from './bounds.ts';
import { checkServer } from './check.ts';
import { connectKubernetes, GuardedApi } from './client/client.ts';
import { kubernetesMountOptions, type KubernetesProviderConfig } from './config.ts';
import { KubernetesSecretsProvider } from './secrets/provider.ts';

/**
 * One API server: its Secrets and service account tokens, and the authentication of workloads. Logins and pod watches have sockets of their own,
 * so that slow reads of Secrets do not delay them. Nothing is sent yet.
 * @throws ERR_CONFIG_INVALID for a kubeconfig file that cannot be used.
 */
export async function openKubernetes(
  name: string,
  config: KubernetesProviderConfig,
  deps: BackendDeps,
): Promise<Required<Pick<Backend, 'provider' | 'cluster' | 'calls' | 'close'>>> {
  const client = await connectKubernetes(config);
  const cluster = { type: 'kubernetes', api: await connectKubernetes(config) } as const;
  const guard = createGuard(config.limits, deps);
  const api = new GuardedApi(client, guard);
  return {
    provider: {
      name,
      kind: 'kubernetes',
      mount(options) {
        const { namespace } = parseOptions(kubernetesMountOptions, options);
        refuseForbiddenNamespace(namespace, deps);
        return new KubernetesSecretsProvider(api, namespace, deps);
      },
      check: (context) => checkServer(api, context),
    },
    cluster,
    calls: () => guard.state(),
    close() {
      client.close();
      cluster.api.close();
    },
  };
}
