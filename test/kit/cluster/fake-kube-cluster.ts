import { randomUUID } from 'node:crypto';
import { connectKubernetes } from '../../../src/providers/kubernetes/client/client.ts';
import { FakeApiServer } from '../fakes/fake-api-server.ts';
import type { FakePod } from '../fakes/fake-pods.ts';
import type { KubeCluster, PodRef } from './kube-cluster.ts';

function refOf({ metadata }: FakePod): PodRef {
  const { namespace, name, uid } = metadata;
  return { namespace, name, uid };
}

/** The scripted API server with its default behaviour. */
export async function fakeKubeCluster(): Promise<KubeCluster> {
  const fake = await FakeApiServer.start();
  const api = await connectKubernetes(fake.access);
  const find = ({ namespace, name }: PodRef): FakePod => fake.pods.get(namespace, name)!;
  return {
    issuer: fake.issuer,
    api,
    createNamespace: () => Promise.resolve(`ns-${randomUUID().slice(0, 8)}`),
    createAccount: (namespace, name) => Promise.resolve(fake.createAccount(namespace, name)),
    removeAccount: (namespace, name) => {
      fake.accounts.delete(`${namespace}/${name}`);
      return Promise.resolve();
    },
    createPod: (pod) => Promise.resolve(refOf(fake.pods.create(pod))),
    debug: (pod, container) =>
      Promise.resolve(void fake.pods.setSpec(find(pod), { ephemeralContainers: [container] })),
    setPhase: (pod, phase) => Promise.resolve(void fake.pods.setPhase(find(pod), phase)),
    terminate: (pod, seconds) =>
      Promise.resolve(void fake.pods.terminate(find(pod), Date.now() + seconds * 1000)),
    remove: (pod) => {
      fake.pods.remove(find(pod));
      return Promise.resolve();
    },
    token: ({ pod, ...wish }) =>
      Promise.resolve(
        fake.token({ ...wish, audience: [wish.audience], ...(pod && { pod: find(pod) }) }),
      ),
    restart: () => {
      fake.watches.reset();
      return Promise.resolve();
    },
    close() {
      api.close();
      return fake.close();
    },
  };
}
