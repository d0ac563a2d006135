import type { components } from '../client/index.ts';
import type { Broker } from './broker.ts';

export type Identity =
  | { readonly operator: components['schemas']['OwnToken'] }
  | { readonly session: components['schemas']['Session'] };

/** As whom a token is known, by what kind of token it is. @throws ApiError when it is not known */
export async function whoIs(broker: Pick<Broker, 'call'>, isSession: boolean): Promise<Identity> {
  if (isSession) return { session: (await broker.call('readSession')).body.session };
  return { operator: (await broker.call('readOwnToken')).body };
}

export function isSessionToken(token: string): boolean {
  return token.startsWith('qms_');
}
