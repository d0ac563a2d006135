import {
  createOperatorToken as create,
  listOperatorTokens as list,
  readOwnToken as readOwn,
  revokeOperatorToken as revoke,
} from '../../broker/sessions/operator-tokens.ts';
import type { OperatorToken } from '../../broker/state/operator-token-memory.ts';
import { holdsEverywhere } from '../../domain/identity/principal.ts';
import { identifier, objectName } from '../request/fields.ts';
import { instant } from '../../domain/time/instant.ts';
import { parseParameter } from '../request/parse-input.ts';
import type { Incoming, RouteOf } from '../request/route.ts';
import type { Shape } from '../contract/shapes.ts';

/** Creates a token. Only this answer contains the token; it cannot be read again. */
export const createOperatorToken: RouteOf<'createOperatorToken'> = {
  body: { maxBytes: 16_384 },
  judge: (params) => ({
    described: {
      action: 'operator-token.create',
      document: { kind: 'operator', name: operatorOf(params) },
    },
    judge: ({ caller }) =>
      holdsEverywhere(caller.operator, 'admin')
        ? { allowed: true }
        : { allowed: false, reason: 'no_role' },
  }),
  read: ({ params, body }) => {
    const request = { operator: operatorOf(params), body: body?.value };
    return async ({ parts, call, caller }) => {
      const { token, stored } = await create(parts, call, caller, request);
      return { status: 201, body: { token, ...tokenJson(stored) } };
    };
  },
};

export const listOperatorTokens: RouteOf<'listOperatorTokens'> = {
  read: ({ params }) => {
    const operator = operatorOf(params);
    return async ({ parts, call, caller }) => {
      const tokens = await list(parts, call, caller, operator);
      const items = tokens.map(({ stored, carries }) => ({ ...tokenJson(stored), carries }));
      return { status: 200, body: { items } };
    };
  },
};

/** The calling operator, and the present rights of its token. */
export const readOwnToken: RouteOf<'readOwnToken'> = {
  read:
    () =>
    async ({ parts, call, caller }) => {
      const operator = await readOwn(parts, call, caller);
      const { name, tokenId, grants, sourceCidrs, endsAt, keyThumbprint } = operator;
      const own = { id: tokenId, operator: name, grants, sourceCidrs, keyThumbprint };
      return { status: 200, body: { ...own, endsAt: instant(endsAt) } };
    },
};

export const revokeOperatorToken: RouteOf<'revokeOperatorToken'> = {
  read: ({ params }) => {
    const request = { operator: operatorOf(params), id: parseParameter(identifier, params['id']) };
    return async ({ parts, call, caller }) => {
      await revoke(parts, call, caller, request);
      return { status: 204 };
    };
  },
};

/** @throws ERR_REQUEST_INVALID */
function operatorOf(params: Incoming['params']): string {
  return parseParameter(objectName, params['name']);
}

function tokenJson({
  id,
  operator,
  spec: { grants, sourceCidrs, description, mintedBy },
  createdAt,
  endsAt,
}: OperatorToken): Omit<Shape<'OperatorToken'>, 'carries'> {
  return {
    id,
    operator,
    ...(grants !== undefined && { grants }),
    sourceCidrs,
    ...(description !== undefined && { description }),
    ...(mintedBy !== undefined && { mintedBy }),
    createdAt: instant(createdAt),
    endsAt: instant(endsAt),
  };
}
