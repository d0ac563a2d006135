import * as z from 'zod';
import { parseInput } from '../../request/parse-input.ts';
import { beginLogin, finishLogin } from '../../../broker/sessions/people.ts';
import { BrokerError } from '../../../domain/errors.ts';
import type { VaultApiConfig } from '../config.ts';
import { envelope } from '../answers.ts';
import type { PublicRoute } from '../route.ts';
import { tokenAuth } from './tokens.ts';

/**
 * The addresses at which the command line waits for the browser; by default it names the host `localhost`. A machine to which that name leads gets no
 * session: to finish a login takes the nonce, which only the command line has.
 */
const REDIRECT = /^http:\/\/(?:localhost|127\.0\.0\.1|\[::1\]):[1-9][0-9]{0,4}\/oidc\/callback$/;
const nonce = z.string().min(16).max(256);
const begin = z.object({
  redirect_uri: z
    .string()
    .regex(
      REDIRECT,
      'must be http://localhost:<port>/oidc/callback, or the same with 127.0.0.1; the direct mode is not served: log in with callbackmode=client',
    ),
  client_nonce: nonce,
});
const answered = z.object({
  state: z.string().min(1).max(4_096),
  code: z.string().min(1).max(4_096),
  client_nonce: nonce,
});

/** @throws ERR_TOKEN_INVALID for a mount that is not for people, as for an unknown one */
function issuerOf(auth: VaultApiConfig['auth'], name: string): string {
  const configured = Object.hasOwn(auth, name) ? auth[name] : undefined;
  if (configured !== undefined && 'issuer' in configured) return configured.issuer;
  throw new BrokerError('ERR_TOKEN_INVALID', undefined, { reason: 'no_auth_mount' });
}

/** Begins a login of a person, who opens the address in a browser. `role` has no effect, because role bindings decide. The broker stores nothing. */
export function beginLoginRoute(auth: VaultApiConfig['auth']): PublicRoute {
  return ({ name }) => ({
    body: { maxBytes: 4_096 },
    read: ({ body }) => {
      const issuer = issuerOf(auth, name);
      const asked = parseInput(begin, body?.value);
      const { redirect_uri: redirectUri, client_nonce: clientNonce } = asked;
      return async ({ parts, call }) => {
        const order = { issuer, redirectUri, clientNonce, isStepUp: false };
        const { address } = await beginLogin(parts, call, order);
        return envelope(call, { data: { auth_url: address } });
      };
    },
  });
}

/** Opens the session of a person with the answer of the issuer, which the browser brought to the client. */
export function finishLoginRoute(auth: VaultApiConfig['auth']): PublicRoute {
  return ({ name, query }) => ({
    read: ({ rates, network }) => {
      issuerOf(auth, name);
      const asked = parseInput(answered, Object.fromEntries(query));
      const { state: login, code, client_nonce: clientNonce } = asked;
      const answer = new URLSearchParams({ code }).toString();
      return async ({ parts, call }) => {
        try {
          const finished = await finishLogin(parts, call, { login, answer, clientNonce });
          if (finished === undefined) throw new BrokerError('ERR_TOKEN_INVALID');
          const { token, stored } = finished;
          const { id, operator, endsAt } = stored;
          const shown = { token, id, endsAt, now: parts.clock.now(), renewable: false };
          return envelope(call, { auth: tokenAuth({ ...shown, metadata: { person: operator } }) });
        } catch (error) {
          if (BrokerError.from(error).kind === 'unauthenticated') rates.failed(network);
          throw error;
        }
      };
    },
  });
}
