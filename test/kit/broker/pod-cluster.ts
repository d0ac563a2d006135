import { until } from '../backends/until.ts';
import type { FakeApiServer } from '../fakes/fake-api-server.ts';
import type { FakePod } from '../fakes/fake-pods.ts';
import type { BrokerSetup, PreparedBroker } from './prepared-broker.ts';

const CLUSTER = 'pods';
/** Secret of the source of alerts `falco`. */
export const ALERT_SECRET = 'a-secret-of-falcosidekick';

/** The cluster `pods`, in which one service account may read `own/**`. Its API server signs the tokens and shows the pods. */
export function podCluster(
  { access, caFile, issuer }: FakeApiServer,
  { namespace, serviceAccount }: { readonly namespace: string; readonly serviceAccount: string },
) {
  return {
    connections: { kube: { ...access, caFile } },
    documents: {
      [`/clusters/${CLUSTER}`]: {
        connection: 'kube',
        issuer,
        audiences: ['quaymaster'],
        mode: 'jwks',
      },
      '/policies/pods': {
        apiVersion: 'quaymaster.dev/v1',
        kind: 'AccessPolicy',
        metadata: { name: 'pods' },
        spec: {
          subjects: [
            { clusters: [CLUSTER], namespaces: [namespace], serviceAccounts: [serviceAccount] },
          ],
          rules: [{ name: 'some', effect: 'allow', paths: ['own/**'], capabilities: ['read'] }],
        },
      },
    },
  } satisfies Pick<BrokerSetup, 'documents'> & { readonly connections: object };
}

/** The configuration of the source `falco`, which sends alerts about the cluster. Its secret is a file of the broker. */
export function alertSource(directory: string): object {
  const authenticate = { bearer: { secretFile: `${directory}/falco` } };
  return { sources: { falco: { format: 'generic', cluster: CLUSTER, authenticate } } };
}

/** Logs a pod in. The watch may not know it at once. @returns the token of its session */
export async function logInPod(
  { installation }: PreparedBroker,
  kube: FakeApiServer,
  pod: FakePod,
): Promise<string> {
  const { namespace } = pod.metadata;
  const serviceAccount = pod.spec.serviceAccountName;
  const wish = { namespace, serviceAccount, audience: ['quaymaster'], pod };
  let token = '';
  await until('a session', async () => {
    const body = { cluster: CLUSTER, token: kube.token(wish) };
    const { status, json } = await installation.call('POST', '/api/v1/sessions', { body });
    token = String(json['token']);
    return status === 201;
  });
  return token;
}
