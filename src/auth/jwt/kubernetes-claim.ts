import { tokenRefused } from '../token-refused.ts';
import { isNamespaceName, isObjectName, isObjectUid } from './object-names.ts';

interface BoundObject {
  readonly name: string;
  readonly uid: string;
}

/** The `kubernetes.io` claim of a bound token (kubernetes pkg/serviceaccount/claims.go). */
export interface KubernetesClaim {
  readonly namespace: string;
  readonly serviceAccount: BoundObject;
  readonly pod?: BoundObject;
  readonly node?: { readonly name: string; readonly uid?: string };
}

type Members = Partial<Record<string, unknown>>;

/** @throws ERR_TOKEN_INVALID `claim_invalid` where a member is missing or is not a name or UID. */
export function readKubernetesClaim(claim: unknown): KubernetesClaim {
  const { namespace, serviceaccount, pod, node } = membersOf(claim);
  if (!isNamespaceName(namespace)) throw tokenRefused('claim_invalid');
  return {
    namespace,
    serviceAccount: boundObject(serviceaccount),
    ...(pod !== undefined && { pod: boundObject(pod) }),
    ...(node !== undefined && { node: boundNode(node) }),
  };
}

function boundObject(value: unknown): BoundObject {
  const { name, uid } = membersOf(value);
  if (!isObjectName(name) || !isObjectUid(uid)) throw tokenRefused('claim_invalid');
  return { name, uid };
}

/** The UID is absent where no Node object existed when the token was made. */
function boundNode(value: unknown): { readonly name: string; readonly uid?: string } {
  const { name, uid } = membersOf(value);
  if (!isObjectName(name)) throw tokenRefused('claim_invalid');
  if (uid === undefined || uid === '') return { name };
  if (!isObjectUid(uid)) throw tokenRefused('claim_invalid');
  return { name, uid };
}

function membersOf(value: unknown): Members {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw tokenRefused('claim_invalid');
  }
  return value;
}
