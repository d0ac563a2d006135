/** The caller: verified facts of a bound service-account token, nothing a caller can choose. */
export interface Workload {
  readonly cluster: string;
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly serviceAccountUid: string;
  /** Absent only where the cluster allows tokens that are not bound to a pod. */
  readonly pod?: { readonly name: string; readonly uid: string };
  readonly node?: { readonly name: string; readonly uid?: string };
}

/** `k8s://<cluster>/<namespace>/<serviceaccount>`: the workload's name in policies' answers, leases and the log. */
export function workloadId(workload: Workload): string {
  return `k8s://${workload.cluster}/${workload.namespace}/${workload.serviceAccount}`;
}

const WORKLOAD_ID = /^k8s:\/\/([^/]+)\/([^/]+)\/([^/]+)$/;

/** The inverse of {@link workloadId}; undefined for any other text. */
export function parseWorkloadId(
  text: string,
): Pick<Workload, 'cluster' | 'namespace' | 'serviceAccount'> | undefined {
  const [, cluster, namespace, serviceAccount] = WORKLOAD_ID.exec(text) ?? [];
  if (cluster === undefined || namespace === undefined || serviceAccount === undefined) {
    return undefined;
  }
  return { cluster, namespace, serviceAccount };
}
