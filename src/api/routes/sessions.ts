import { z } from 'zod';
import { endOwnSession } from '../../broker/leases/end-session.ts';
import { logIn } from '../../broker/sessions/log-in.ts';
import { recordOperation } from '../../broker/recording/operation.ts';
import { renewSession as renew } from '../../broker/sessions/renew-session.ts';
import { BrokerError } from '../../domain/errors.ts';
import type { Session } from '../../domain/identity/principal.ts';
import { workloadId } from '../../domain/identity/workload.ts';
import { instant } from '../../domain/time/instant.ts';
import type { PresentedChain } from '../../ports/workload-authenticator.ts';
import { parseInput } from '../request/parse-input.ts';
import type { RouteOf } from '../contract/route.ts';
import type { Shape } from '../contract/shapes.ts';

const LOGIN_BYTES = 16_384;
/** Limits of a service-account token; the authenticator refuses all other tokens. */
const token = z.string().min(1).max(LOGIN_BYTES);
/** Body of a login. Without a token, the workload logs in with the certificate of its connection. */
const login = z.strictObject({ cluster: z.string().min(1).max(63), token: token.optional() });
const renewal = z.strictObject({ token: token.optional() });

const SUBJECT = '"sub"';
const PLAIN_SUBJECT = /"sub":"([^"\\]*)"/;
const LONGEST_SUBJECT = 512;
/** The signature is at the end of a certificate, and tells certificates apart. */
const LONGEST_SIGNATURE = 64;

/**
 * The subject that a token claims. No signature is checked yet, so the claim only selects the rate that the login counts
 * against. The usual payload with one member `sub` is not parsed here, because its verification parses it again.
 */
function claimedAccount(cluster: string, jwt: string): string | undefined {
  const payload = Buffer.from(jwt.split('.', 2)[1] ?? '', 'base64url').toString();
  const isOnlyOne = payload.indexOf(SUBJECT) === payload.lastIndexOf(SUBJECT);
  const subject = (isOnlyOne ? PLAIN_SUBJECT.exec(payload)?.[1] : undefined) ?? subjectIn(payload);
  return subject === undefined ? undefined : `${cluster}/${subject.slice(0, LONGEST_SUBJECT)}`;
}

/** One certificate has one workload. A workload with many certificates has a rate for each; its sessions are limited together. */
function holderOf(cluster: string, [leaf]: PresentedChain = []): string | undefined {
  return leaf && `${cluster}/x509/${leaf.subarray(-LONGEST_SIGNATURE).toString('base64')}`;
}

function subjectIn(payload: string): string | undefined {
  try {
    const { sub } = JSON.parse(payload) as { readonly sub?: unknown };
    return typeof sub === 'string' ? sub : undefined;
  } catch {
    return undefined;
  }
}

export const createSession: RouteOf<'createSession'> = {
  body: { maxBytes: LOGIN_BYTES },
  read: ({ body, network, rates, proof, chain: proven }) => {
    const request = parseInput(login, body?.value);
    const { cluster } = request;
    const chain = request.token === undefined ? proven() : undefined;
    const account =
      request.token === undefined
        ? holderOf(cluster, chain)
        : claimedAccount(cluster, request.token);
    if (account !== undefined) rates.admitLogin(account);
    return async ({ parts, call }) => {
      const opened = await logIn(parts, call, { ...request, chain, proof }).catch(
        (error: unknown) => {
          if (BrokerError.from(error).kind === 'unauthenticated') rates.failed(network);
          throw error;
        },
      );
      // The token was verified since, and every verified token has a subject.
      if (account !== undefined) rates.loggedIn(account);
      const { token, session, eventId } = opened;
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
