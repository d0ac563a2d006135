/** The caller: verified facts of its token, none of which the caller can choose. */
export type Workload = KubernetesWorkload | OidcWorkload;

/** A service account of Kubernetes, and the pod that its token is bound to. */
export interface KubernetesWorkload {
  readonly cluster: string;
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly serviceAccountUid: string;
  /** Absent only if the cluster allows tokens that are not bound to a pod. */
  readonly pod?: { readonly name: string; readonly uid: string };
  readonly node?: { readonly name: string; readonly uid?: string };
}

/** A job, container or machine outside Kubernetes, as the claims of its token identify it. */
export interface OidcWorkload {
  readonly cluster: string;
  /** Claim values in the form of {@link identitySegment}, one or more. */
  readonly identity: readonly string[];
  readonly pod?: undefined;
  readonly node?: undefined;
}

/**
 * The names by which sessions and leases of a workload are stored and counted. Only an OIDC workload has an empty namespace: a service account
 * is its identity, joined by slashes.
 */
export interface Account {
  readonly cluster: string;
  readonly namespace: string;
  readonly serviceAccount: string;
}

export function accountOf(workload: Workload): Account {
  const { cluster } = workload;
  if ('identity' in workload) {
    return { cluster, namespace: '', serviceAccount: workload.identity.join('/') };
  }
  const { namespace, serviceAccount } = workload;
  return { cluster, namespace, serviceAccount };
}

/** A workload of which only the names are known. */
export function workloadOf({ cluster, namespace, serviceAccount }: Account): Workload {
  return namespace === ''
    ? { cluster, identity: serviceAccount.split('/') }
    : { cluster, namespace, serviceAccount, serviceAccountUid: '' };
}

/**
 * `k8s://<cluster>/<namespace>/<serviceaccount>` or `ci://<cluster>/<identity>`: the workload's name in policies' answers, leases and the log.
 */
export function workloadId(workload: Workload): string {
  return accountId(accountOf(workload));
}

export function accountId({ cluster, namespace, serviceAccount }: Account): string {
  return namespace === ''
    ? `ci://${cluster}/${serviceAccount}`
    : `k8s://${cluster}/${namespace}/${serviceAccount}`;
}

/** Reports whether the text, such as the writer of a report, names a workload: names of operators and people begin with neither scheme. */
export function isWorkloadId(text: string): boolean {
  return /^(?:k8s|ci):\/\//.test(text);
}

const KUBERNETES_ID = /^k8s:\/\/([a-z0-9._-]{1,63})\/([a-z0-9-]{1,63})\/([a-z0-9.-]{1,253})$/;
const OIDC_ID = /^ci:\/\/([a-z0-9._-]{1,63})\/([^/]+(?:\/[^/]+)*)$/;

export const WORKLOAD_FORMS =
  'k8s://<cluster>/<namespace>/<serviceaccount> or ci://<cluster>/<identity>';

/** The inverse of {@link accountId}; undefined for any other text. */
export function parseWorkloadId(text: string): Account | undefined {
  const [, cluster, namespace, serviceAccount] = KUBERNETES_ID.exec(text) ?? [];
  if (cluster !== undefined && namespace !== undefined && serviceAccount !== undefined) {
    return { cluster, namespace, serviceAccount };
  }
  const [, issuer, identity] = OIDC_ID.exec(text) ?? [];
  if (issuer === undefined || identity === undefined) return undefined;
  return isIdentity(identity.split('/'))
    ? { cluster: issuer, namespace: '', serviceAccount: identity }
    : undefined;
}

export const IDENTITY_LIMITS = { segments: 16, length: 512 } as const;
const IDENTITY_SEGMENT = /^(?:[A-Za-z0-9._+=@:-]|%[0-9A-F]{2})+$/;

/** Reports whether these segments are an identity that a claim mapping could produce. */
export function isIdentity(segments: readonly string[]): boolean {
  return (
    segments.length > 0 &&
    segments.length <= IDENTITY_LIMITS.segments &&
    segments.join('/').length <= IDENTITY_LIMITS.length &&
    segments.every((each) => IDENTITY_SEGMENT.test(each) && each !== '.' && each !== '..')
  );
}

/** Characters that are percent-encoded without need stay as they are: policies are easier to read with them. */
const PLAIN: Readonly<Record<string, string>> = {
  '%3A': ':',
  '%2B': '+',
  '%3D': '=',
  '%40': '@',
};

/**
 * A claim value as one segment of an identity. All characters but `[A-Za-z0-9._+=@:-]` are percent-encoded, so that different values have
 * different segments, and a slash or star in a value neither ends the segment nor matches others. Undefined if no segment may hold the value: it
 * is empty, `.` or `..`, or has a control character or half of a surrogate pair.
 */
export function identitySegment(value: string): string | undefined {
  if (value === '' || value === '.' || value === '..') return undefined;
  if (/\p{Cc}/u.test(value) || !value.isWellFormed()) return undefined;
  return encodeURIComponent(value)
    .replace(/[!~*'()]/g, (each) => `%${each.charCodeAt(0).toString(16).toUpperCase()}`)
    .replace(/%(?:3A|2B|3D|40)/g, (each) => PLAIN[each] ?? each);
}
