import type { PolicySubject } from '../../domain/policy/index.ts';
import type { components } from '../../client/index.ts';
import type { Broker } from './broker.ts';

export type Identity =
  | { readonly operator: components['schemas']['OwnToken'] }
  | { readonly session: components['schemas']['Session'] };

/** The identity that the broker knows the caller by, which depends on the kind of token. @throws ApiError when the broker does not accept it */
export async function readIdentity(
  broker: Pick<Broker, 'call'>,
  isSession: boolean,
): Promise<Identity> {
  if (isSession) return { session: (await broker.call('readSession')).body.session };
  return { operator: (await broker.call('readOwnToken')).body };
}

export function isSessionToken(token: string): boolean {
  return token.startsWith('qms_');
}

/** Says whether a token is enough alone. */
export function tokenKind(keyThumbprint: string | undefined): string {
  return keyThumbprint === undefined
    ? 'bearer: a copy of the token can be used'
    : `bound to the key ${keyThumbprint}`;
}

/** A role with the paths that it is restricted to. */
export function grantText({ role, scope = [] }: components['schemas']['Grant']): string {
  return scope.length === 0 ? role : `${role} (${scope.join(' ')})`;
}

/** The workloads of a subject, as names or patterns of names. */
export function subjectText(subject: PolicySubject): string {
  const clusters = subject.clusters.join('|');
  if ('identities' in subject) return `ci://${clusters}/${subject.identities.join('|')}`;
  const labels = Object.entries(subject.podLabels ?? {}).map(([name, value]) => `${name}=${value}`);
  const names = `${subject.namespaces.join('|')}/${subject.serviceAccounts.join('|')}`;
  return `k8s://${clusters}/${names}${labels.length === 0 ? '' : ` with ${labels.join(', ')}`}`;
}
