import * as z from 'zod';
import { REVOCATION_STATES } from '../../broker/kernel/credential-states.ts';
import {
  listRevocations as list,
  retryRevocation as retry,
  type Revocation,
} from '../../broker/leases/revocations.ts';
import { identifier } from '../request/fields.ts';
import { instant } from '../../domain/time/instant.ts';
import { PAGE_QUERY, readPage, pageJson } from '../request/page-query.ts';
import { parseParameter } from '../request/parse-input.ts';
import type { RouteOf } from '../request/route.ts';
import type { Shape } from '../contract/shapes.ts';

const state = z.enum(REVOCATION_STATES).default('revoking');

export const listRevocations: RouteOf<'listRevocations'> = {
  query: ['state', ...PAGE_QUERY],
  read: ({ query }) => {
    const wanted = { state: parseParameter(state, query.get('state')), page: readPage(query) };
    return async ({ parts, call, caller }) => ({
      status: 200,
      body: pageJson(await list(parts, call, caller, wanted), revocationJson),
    });
  },
};

export const retryRevocation: RouteOf<'retryRevocation'> = {
  read: ({ params }) => {
    const id = parseParameter(identifier, params['id']);
    return async ({ parts, call, caller }) => {
      await retry(parts, call, caller, id);
      return { status: 202, body: { credential: id } };
    };
  },
};

function revocationJson({ nextAttemptAt, endsAt, ...shown }: Revocation): Shape<'Revocation'> {
  return {
    ...shown,
    ...(nextAttemptAt !== undefined && { nextAttemptAt: instant(nextAttemptAt) }),
    endsAt: instant(endsAt),
  };
}
