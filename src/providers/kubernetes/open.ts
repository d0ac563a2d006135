import type { CallContext } from '../../ports/call-context.ts';
import type { Clock } from '../../ports/clock.ts';
import type { ProviderConnection } from '../../ports/secret-provider.ts';
import { createGuard } from '../guard/guard.ts';
import { connectKubernetes, GuardedApi } from './client/client.ts';
import { parseOptions } from '../parse-options.ts';
import { refuseForbiddenNamespace, type KubernetesBounds } from './bounds.ts';
import { checkServer } from './check.ts';
import { kubernetesMountOptions, type KubernetesProviderConfig } from './config.ts';
import { KubernetesSecretsProvider } from './secrets/provider.ts';

export interface KubernetesParts extends KubernetesBounds {
  readonly clock: Clock;
}

/** Opens no connection yet. @throws ERR_CONFIG_INVALID for a kubeconfig file that cannot be used. */
export async function connectKubernetesSecrets(
  name: string,
  config: KubernetesProviderConfig,
  parts: KubernetesParts,
): Promise<ProviderConnection> {
  const client = await connectKubernetes(config);
  const api = new GuardedApi(client, createGuard(config.limits, parts));
  return {
    name,
    kind: 'kubernetes',
    mount: (options: unknown) => {
      const { namespace } = parseOptions(kubernetesMountOptions, options);
      refuseForbiddenNamespace(namespace, parts);
      return new KubernetesSecretsProvider(api, namespace, parts);
    },
    check: (context: CallContext) => checkServer(api, context),
    close: () => {
      client.close();
      return Promise.resolve();
    },
  };
}
