import { z } from 'zod';
import type { ApiClient } from '../../src/dev/api-client.ts';
import { ApiClient as Client } from '../../src/dev/api-client.ts';
import { DevIssuer } from '../../src/dev/issuer.ts';
import { AUDIENCE, SECRET, SERVICE_ACCOUNT } from '../sample.ts';
import type { OfflinePods, RealPods } from './pods.ts';

/** Items of a batch. */
const BATCH = 10;
/** Paths of the embedded store, `own/bench/db0` and on. */
export const OWN_PATHS = Array.from({ length: BATCH }, (_, index) => `own/bench/db${index}`);
export const VAULT_PATH = 'vault/db';
const CLUSTER = 'offline';

/** Documents for the embedded store and the offline issuer: a cluster, a mount, ten secrets and who may read them. */
export async function furnish(operator: ApiClient): Promise<void> {
  await operator.put(`/clusters/${CLUSTER}`, {
    connection: 'issuer',
    issuer: DevIssuer.issuer,
    audiences: [DevIssuer.audience],
    podWatch: false,
  });
  await operator.put('/mounts/own', { prefix: 'own', connection: 'embedded' });
  for (const path of OWN_PATHS) await operator.put(`/secrets/${path}`, { data: SECRET });
  await operator.put('/policies/web', {
    apiVersion: 'quaymaster.dev/v1',
    kind: 'AccessPolicy',
    metadata: { name: 'web' },
    spec: {
      subjects: [
        {
          clusters: [CLUSTER, 'reviewed'],
          namespaces: [SERVICE_ACCOUNT.namespace],
          serviceAccounts: [SERVICE_ACCOUNT.name],
        },
      ],
      rules: [
        {
          name: 'read',
          effect: 'allow',
          paths: ['own/${namespace}/**', 'vault/**', 'aws/**', 'kube/**'],
          capabilities: ['read'],
        },
      ],
    },
  });
}

/** Secrets of an OpenBao, kept sealed in memory for an hour. */
export async function mountVault(operator: ApiClient): Promise<void> {
  await operator.put('/mounts/vault', {
    prefix: 'vault',
    connection: 'vault',
    options: { engine: 'kv-v2', path: 'secret', root: 'bench' },
    cacheTtl: '1h',
  });
}

/** A cluster whose API server reviews each token, and whose pods are watched. */
export async function registerReviewed(operator: ApiClient, pods: RealPods): Promise<void> {
  await operator.put('/clusters/reviewed', {
    connection: 'kube',
    issuer: pods.kube.issuer,
    audiences: [AUDIENCE],
    mode: 'token-review',
  });
}

const opened = z.object({ token: z.string() });

/** A session of a pod of the offline issuer. */
export async function logIn(url: string, pods: OfflinePods): Promise<string> {
  const body = loginBody(CLUSTER, pods.tokens[0] ?? '');
  const answer = await new Client(url).call('POST', '/sessions', JSON.parse(body));
  return opened.parse(answer.json).token;
}

/** What a login posts. */
export function loginBody(cluster: typeof CLUSTER | 'reviewed', token: string): string {
  return JSON.stringify({ cluster, token });
}

/** What a batch of all ten secrets posts. */
export const BATCH_BODY = JSON.stringify({ items: OWN_PATHS.map((path) => ({ path })) });
