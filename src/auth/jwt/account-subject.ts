import { tokenRefused } from '../token-refused.ts';
import { isNamespaceName, isObjectName } from './object-names.ts';

export interface AccountSubject {
  readonly namespace: string;
  readonly name: string;
}

/** `system:serviceaccount:<namespace>:<name>`, four parts, both names as Kubernetes allows them. @throws ERR_TOKEN_INVALID `not_a_service_account`. */
export function parseAccountSubject(subject: unknown): AccountSubject {
  if (typeof subject !== 'string') throw tokenRefused('not_a_service_account');
  const [system, kind, namespace, name, ...more] = subject.split(':', 5);
  if (system !== 'system' || kind !== 'serviceaccount' || more.length > 0) {
    throw tokenRefused('not_a_service_account');
  }
  if (!isNamespaceName(namespace) || !isObjectName(name)) {
    throw tokenRefused('not_a_service_account');
  }
  return { namespace, name };
}
