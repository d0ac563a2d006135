import type { Clock } from '../../ports/clock.ts';
import type { PodWatch } from '../../ports/pod-watch.ts';
import type { KubernetesApi } from '../../ports/kubernetes-api.ts';
import { identityUnavailable } from '../identity-unavailable.ts';
import { confirmPod } from './confirm-pod.ts';

/** Creates the watch of a cluster that is not watched: it knows no pod, and reads single pods if there is an API server. */
export function noPodWatch(clock: Clock, api?: KubernetesApi): PodWatch {
  return {
    status: () => 'off',
    find: () => undefined,
    lastKnown: () => undefined,
    lastLabels: () => undefined,
    save: () => undefined,
    uidOf: () => undefined,
    uidOfContainer: () => undefined,
    ended: { find: () => undefined, named: () => [], uidOfContainer: () => undefined },
    confirm: (pod, { signal }) =>
      api === undefined
        ? Promise.reject(identityUnavailable('no_api_server'))
        : confirmPod({ api, clock }, pod, signal),
    close: () => Promise.resolve(),
  };
}
