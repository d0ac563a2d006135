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
