import { BrokerError } from '../../domain/errors.ts';
import type { Clock } from '../../ports/clock.ts';
import type { PodFacts } from '../../ports/pod-watch.ts';
import type { KubernetesApi } from '../../ports/kubernetes-api.ts';
import { withDeadline } from '../../ports/deadline.ts';
import { identityUnavailable } from '../identity-unavailable.ts';
import { readPod } from './observed-pod.ts';
import { podStateOf } from './pod-state.ts';

export interface PodName {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

const CONFIRM_MS = 10_000;
const GONE: PodFacts = { state: 'ended', labels: new Map() };

/** Reads the pod once; another pod under its name means that the pod ended. @throws ERR_IDENTITY_UNAVAILABLE. */
export async function confirmPod(
  { api, clock }: { readonly api: KubernetesApi; readonly clock: Clock },
  { namespace, name, uid }: PodName,
  signal: AbortSignal,
): Promise<PodFacts> {
  const path = ['api', 'v1', 'namespaces', namespace, 'pods', name];
  try {
    const pod = await withDeadline(clock, CONFIRM_MS, async (deadline) => {
      const both = AbortSignal.any([deadline, signal]);
      return readPod(await api.call({ method: 'GET', path }, both));
    });
    if (pod.uid !== uid) return GONE;
    const { manifest, labels } = pod;
    const state = podStateOf(pod, clock.now());
    return { state, labels: new Map(Object.entries(labels)), manifest };
  } catch (error) {
    if (error instanceof BrokerError && error.code === 'ERR_NOT_FOUND') return GONE;
    throw identityUnavailable('pod_unconfirmed', error);
  }
}
