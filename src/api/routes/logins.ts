import * as z from 'zod';
import { beginLogin, endLoginsOf, finishLogin, signOut } from '../../broker/sessions/people.ts';
import { BrokerError } from '../../domain/errors.ts';
import { instant } from '../../domain/time/instant.ts';
import { PERSON_NAME } from '../../domain/identity/person.ts';
import { objectName } from '../request/fields.ts';
import { parseInput, parseParameter } from '../request/parse-input.ts';
import type { RouteOf } from '../request/route.ts';

const LOGIN_BYTES = 16_384;
/** RFC 8252 §7.3: a loopback address by number, because a name could resolve to another machine. */
const LOOPBACK = /^http:\/\/(?:127\.0\.0\.1|\[::1\]):[1-9][0-9]{0,4}\/callback$/;

const begin = z.strictObject({
  issuer: objectName,
  redirectUri: z
    .string()
    .regex(LOOPBACK, 'must be http://127.0.0.1:<port>/callback or http://[::1]:<port>/callback')
    .optional(),
  stepUp: z.boolean().default(false),
  keyThumbprint: z
    .string()
    .regex(/^[A-Za-z0-9_-]{43}$/, 'the RFC 7638 thumbprint of a key, in base64url')
    .optional(),
});
const finish = z.strictObject({
  login: z.string().min(1).max(8_192),
  answer: z.string().max(8_192).optional(),
});
const person = z.string().regex(PERSON_NAME, 'oidc:<issuer>/<subject>');

export const beginPersonLogin: RouteOf<'beginPersonLogin'> = {
  body: { maxBytes: LOGIN_BYTES },
  read: ({ body }) => {
    const { stepUp, ...order } = parseInput(begin, body?.value);
    return async ({ parts, call }) => {
      const begun = await beginLogin(parts, call, { ...order, isStepUp: stepUp });
      return { status: 200, body: { ...begun, until: instant(begun.until) } };
    };
  },
};

/** Completes a login. Only this answer contains the token; it cannot be read again. */
export const finishPersonLogin: RouteOf<'finishPersonLogin'> = {
  body: { maxBytes: LOGIN_BYTES },
  read: ({ body, network, rates, proof }) => {
    const { login, answer } = parseInput(finish, body?.value);
    return async ({ parts, call }) => {
      const finished = await finishLogin(parts, call, { login, answer, proof }).catch(
        (error: unknown) => {
          if (BrokerError.from(error).kind === 'unauthenticated') rates.failed(network);
          throw error;
        },
      );
      if (finished === undefined) return { status: 202, body: { pending: true } };
      const { token, stored } = finished;
      const { id, operator, endsAt, senderKey } = stored;
      const body = { token, id, operator, endsAt: instant(endsAt) };
      return { status: 201, body: { ...body, keyThumbprint: senderKey?.thumbprint } };
    };
  },
};

const flag = z.enum(['true', 'false'], '"everywhere" is true or false').optional();

export const endOwnLogin: RouteOf<'endOwnLogin'> = {
  query: ['everywhere'],
  read: ({ query }) => {
    const everywhere = parseParameter(flag, query.get('everywhere')) === 'true';
    return async ({ parts, call, caller }) => ({
      status: 200,
      body: { ended: await signOut(parts, call, caller, { everywhere }) },
    });
  },
};

const selection = z.strictObject({ person });

export const endPersonLogins: RouteOf<'endPersonLogins'> = {
  body: { maxBytes: LOGIN_BYTES },
  read: ({ body }) => {
    const selected = parseInput(selection, body?.value);
    return async ({ parts, call, caller }) => ({
      status: 200,
      body: { ended: await endLoginsOf(parts, call, caller, selected.person) },
    });
  },
};
