import { BrokerError } from '../../domain/errors.ts';

/** Bootstrap tokens, controllers' and nodes' credentials live here. */
const SYSTEM_NAMESPACES = ['kube-system', 'kube-public', 'kube-node-lease'];

export interface KubernetesBounds {
  /** The broker's own among them: a mount on it would hand out the broker's keys. */
  readonly forbiddenNamespaces: readonly string[];
  /** The broker's own is one of them: with a token for it a workload could log in as another identity. */
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
