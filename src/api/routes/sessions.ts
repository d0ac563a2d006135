import * as z from 'zod';
import { endOwnSession } from '../../broker/leases/end-session.ts';
import { recordOperation } from '../../broker/recording/operation.ts';
import { renewSession as renew } from '../../broker/sessions/renew-session.ts';
import type { Session } from '../../domain/identity/principal.ts';
import { workloadId } from '../../domain/identity/workload.ts';
import { instant } from '../../domain/time/instant.ts';
import { countedLogin } from '../request/counted-login.ts';
import { parseInput } from '../request/parse-input.ts';
import type { RouteOf } from '../request/route.ts';
import type { Shape } from '../contract/shapes.ts';

const LOGIN_BYTES = 16_384;
/** Limits of a service-account token; the authenticator refuses all other tokens. */
const token = z.string().min(1).max(LOGIN_BYTES);
/** Body of a login. Without a token, the workload logs in with the certificate of its connection. */
const login = z.strictObject({ cluster: z.string().min(1).max(63), token: token.optional() });
const renewal = z.strictObject({ token: token.optional() });

export const createSession: RouteOf<'createSession'> = {
  body: { maxBytes: LOGIN_BYTES },
  read: ({ body, network, rates, proof, chain: proven }) => {
    const request = parseInput(login, body?.value);
    const chain = request.token === undefined ? proven() : undefined;
    const open = countedLogin({ rates, network }, { ...request, chain, proof });
    return async ({ parts, call }) => {
      const { token, session, eventId } = await open(parts, call);
      return {
        status: 201,
        body: { token, session: sessionJson(session), eventId: String(eventId) },
      };
    };
  },
};

export const renewSession: RouteOf<'renewSession'> = {
  body: { maxBytes: LOGIN_BYTES },
  read: ({ body, token: sessionToken, chain: proven }) => {
    const { token: presented } = parseInput(renewal, body?.value);
    const chain = presented === undefined ? proven() : undefined;
    return async ({ parts, call, caller }) => {
      const session = await renew(parts, call, caller, {
        token: presented,
        chain,
        sessionToken,
      });
      return { status: 200, body: { session: sessionJson(session) } };
    };
  },
};

export const readSession: RouteOf<'readSession'> = {
  read:
    () =>
    async ({ parts, call, caller }) => {
      const { session } = caller;
      const described = { action: 'session.read', session: session.id } as const;
      const shown = await recordOperation({ parts, call, caller }, described, () => session);
      return { status: 200, body: { session: sessionJson(shown) } };
    },
};

export const endSession: RouteOf<'endSession'> = {
  read:
    () =>
    async ({ parts, call, caller }) => {
      await endOwnSession(parts, call, caller);
      return { status: 204 };
    },
};

/** A session in the form for its holder, without its token. */
function sessionJson({ id, workload, createdAt, endsAt, senderKey }: Session): Shape<'Session'> {
  return {
    id,
    workload: { id: workloadId(workload), ...workload },
    createdAt: instant(createdAt),
    endsAt: instant(endsAt),
    ...(senderKey !== undefined && { keyThumbprint: senderKey.thumbprint }),
  };
}
