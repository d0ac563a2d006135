import { BrokerError } from '../../domain/errors.ts';

/** Namespaces that contain bootstrap tokens and the credentials of controllers and nodes. */
const SYSTEM_NAMESPACES = ['kube-system', 'kube-public', 'kube-node-lease'];

export interface KubernetesBounds {
  /** Includes the broker's own: a mount on it would hand out the broker's keys. */
  readonly forbiddenNamespaces: readonly string[];
  /** Includes the broker's own: with a token for it a workload could log in as another identity. */
  readonly forbiddenAudiences: readonly string[];
}

/** @throws ERR_BODY_INVALID */
export function refuseForbiddenNamespace(namespace: string, bounds: KubernetesBounds): void {
  if (![...SYSTEM_NAMESPACES, ...bounds.forbiddenNamespaces].includes(namespace)) return;
  throw refused('/namespace', 'this namespace cannot be mounted');
}

/** @throws ERR_BODY_INVALID */
export function refuseForbiddenAudiences(
  audiences: readonly string[],
  bounds: KubernetesBounds,
): void {
  const at = audiences.findIndex((audience) => bounds.forbiddenAudiences.includes(audience));
  if (at >= 0) throw refused(`/audiences/${at}`, 'no token is made for this audience');
}

export function refused(pointer: string, message: string): BrokerError {
  return new BrokerError('ERR_BODY_INVALID', undefined, { problems: [{ pointer, message }] });
}
