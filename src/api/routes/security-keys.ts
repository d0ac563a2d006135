import * as z from 'zod';
import type { SecurityKey } from '../../broker/state/security-key-rows.ts';
import { beginKey, finishKey, listKeys, removeKey } from '../../broker/sessions/security-keys.ts';
import { BrokerError } from '../../domain/errors.ts';
import { instant } from '../../domain/time/instant.ts';
import { PERSON_NAME } from '../../domain/identity/person.ts';
import type { Answer } from '../request/answers.ts';
import { identifier, remark } from '../request/fields.ts';
import { parseInput, parseParameter } from '../request/parse-input.ts';
import type { Asked, RouteOf } from '../request/route.ts';
import { KEY_PAGE, KEY_SCRIPT } from '../answer/second-factor-page.ts';
import type { Shape } from '../contract/shapes.ts';

const BODY = { maxBytes: 16_384 };
const MOST_ID = 1_364;
const MOST_OBJECT = 8_192;

const encoded = (most: number): z.ZodString =>
  z
    .string()
    .min(1)
    .max(most)
    .regex(/^[A-Za-z0-9_-]+$/, 'is not base64url');
const begin = z.discriminatedUnion('purpose', [
  z.strictObject({ purpose: z.literal('register'), label: remark.min(1).max(64) }),
  z.strictObject({ purpose: z.literal('prove') }),
]);
const answered = { id: encoded(MOST_ID), clientDataJSON: encoded(MOST_OBJECT) };
const finish = z.union([
  z.strictObject({ ...answered, attestationObject: encoded(MOST_OBJECT) }),
  z.strictObject({
    ...answered,
    authenticatorData: encoded(MOST_OBJECT),
    signature: encoded(MOST_OBJECT),
  }),
]);
const removal = z.strictObject({ reason: remark.min(1).optional() });
const named = z.string().regex(PERSON_NAME, '"person" is oidc:<issuer>/<subject>').optional();

export const listSecurityKeys: RouteOf<'listSecurityKeys'> = {
  query: ['person'],
  read: ({ query }) => {
    const person = parseParameter(named, query.get('person'));
    return async ({ parts, call, caller }) => {
      const { keys, secondFactor, provenAt } = await listKeys(parts, call, caller, person);
      const own = {
        ...(secondFactor !== undefined && { secondFactor }),
        ...(provenAt !== undefined && { provenAt: instant(provenAt) }),
      };
      return { status: 200, body: { items: keys.map(keyJson), ...own } };
    };
  },
};

export const beginSecurityKey: RouteOf<'beginSecurityKey'> = {
  body: BODY,
  judge: () => ADMITTED,
  read: ({ body }) => {
    const asked = parseInput(begin, body?.value);
    const label = asked.purpose === 'register' ? asked.label : undefined;
    return async ({ parts, call, caller }) => {
      const { purpose } = asked;
      const { until, ...begun } = await beginKey(parts, call, caller, { purpose, label });
      return { status: 200, body: { ...begun, until: instant(until) } };
    };
  },
};

export const finishSecurityKey: RouteOf<'finishSecurityKey'> = {
  body: BODY,
  judge: () => ADMITTED,
  read: ({ body }) => {
    const answer = parseInput(finish, body?.value);
    return async ({ parts, call, caller }) => ({
      status: 200,
      body: keyJson(await finishKey(parts, call, caller, answer)),
    });
  },
};

export const removeSecurityKey: RouteOf<'removeSecurityKey'> = {
  body: BODY,
  judge: () => ADMITTED,
  read: ({ params, body }) => {
    const id = parseParameter(identifier, params['id']);
    const { reason } = parseInput(removal, body?.value);
    return async ({ parts, call, caller }) => {
      await removeKey(parts, call, caller, { id, reason });
      return { status: 204 };
    };
  },
};

/** A person may hold no role before a key is proven. The use case decides. */
const ADMITTED = {
  described: { action: 'security-key.prove' },
  judge: () => ({ allowed: true as const }),
} as const;

const HTML = [
  'Content-Type',
  'text/html; charset=utf-8',
  'Content-Security-Policy',
  "default-src 'none'; script-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
  'Referrer-Policy',
  'no-referrer',
  'Cross-Origin-Opener-Policy',
  'same-origin',
];
const SCRIPT = ['Content-Type', 'text/javascript; charset=utf-8'];

export const readKeyPage: RouteOf<'readKeyPage'> = { read: () => page(HTML, KEY_PAGE) };

export const readKeyScript: RouteOf<'readKeyScript'> = { read: () => page(SCRIPT, KEY_SCRIPT) };

/** Serves a page with the same bytes for every caller; it reads nothing of the request. */
function page(
  headers: readonly string[],
  body: string,
): (asked: Pick<Asked<undefined>, 'parts'>) => Promise<Answer<never>> {
  return ({ parts }) => {
    if (parts.people.securityKeys === undefined) throw new BrokerError('ERR_NOT_FOUND');
    return Promise.resolve({ status: 200, headers, body });
  };
}

function keyJson({ id, person, label, createdAt, usedAt }: SecurityKey): Shape<'SecurityKey'> {
  return {
    id,
    person,
    label,
    createdAt: instant(createdAt),
    ...(usedAt !== undefined && { usedAt: instant(usedAt) }),
  };
}
