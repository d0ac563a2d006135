import * as z from 'zod';
import {
  listLeases as list,
  readLease as read,
  releaseLease as release,
} from '../../broker/leases/leases.ts';
import { judgeRenewal, renewLease as renew } from '../../broker/leases/renew-lease.ts';
import { revokeLeases as revoke, type LeaseSelector } from '../../broker/leases/revoke-leases.ts';
import type { Lease } from '../../domain/secrets/lease.ts';
import {
  duration,
  identifier,
  objectName,
  podUid,
  remark,
  secretPath,
  workloadName,
} from '../request/fields.ts';
import { instant } from '../../domain/time/instant.ts';
import { PAGE_QUERY, readPage, pageJson } from '../request/page-query.ts';
import { parseInput, parseParameter } from '../request/parse-input.ts';
import type { Incoming, RouteOf } from '../request/route.ts';
import type { Shape } from '../contract/shapes.ts';

const SMALL = { maxBytes: 4_096 };

export const readLease: RouteOf<'readLease'> = {
  read: ({ params }) => {
    const id = idOf(params);
    return async ({ parts, call, caller }) => ({
      status: 200,
      body: leaseJson(await read(parts, call, caller, id)),
    });
  },
};

export const releaseLease: RouteOf<'releaseLease'> = {
  read: ({ params }) => {
    const id = idOf(params);
    return async ({ parts, call, caller }) => {
      await release(parts, call, caller, id);
      return { status: 204 };
    };
  },
};

const renewal = z.strictObject({ ttl: duration.optional() });

export const renewLease: RouteOf<'renewLease'> = {
  body: SMALL,
  judge: (params) => {
    const id = idOf(params);
    return {
      described: { action: 'lease.renew', lease: id },
      judge: async (acting) => (await judgeRenewal(acting, id)).verdict,
    };
  },
  read: ({ params, body }) => {
    const id = idOf(params);
    const { ttl } = parseInput(renewal, body?.value);
    return async ({ parts, call, caller }) => ({
      status: 200,
      body: leaseJson(await renew(parts, call, caller, { id, ttlSeconds: ttl })),
    });
  },
};

const state = z.enum(['live', 'ended']).optional();

export const listLeases: RouteOf<'listLeases'> = {
  query: ['workload', 'pod', 'path', 'mount', 'state', ...PAGE_QUERY],
  read: ({ query }) => {
    const filter = {
      workload: parseParameter(workloadName.optional(), query.get('workload')),
      pod: parseParameter(podUid.optional(), query.get('pod')),
      path: parseParameter(secretPath.optional(), query.get('path')),
      mount: parseParameter(objectName.optional(), query.get('mount')),
      state: parseParameter(state, query.get('state')),
    };
    const page = readPage(query);
    return async ({ parts, call, caller }) => ({
      status: 200,
      body: pageJson(await list(parts, call, caller, { filter, page }), leaseJson),
    });
  },
};

const comment = remark.optional();
/** Whole segments of a path, without wildcards. An empty segment or a wildcard is refused instead of selecting nothing. */
const revocation = z.discriminatedUnion('by', [
  z.strictObject({ by: z.literal('id'), id: identifier, comment }),
  z.strictObject({ by: z.literal('path'), path: secretPath, comment }),
  z.strictObject({ by: z.literal('workload'), workload: workloadName, comment }),
  z.strictObject({ by: z.literal('pod'), pod: podUid, comment }),
  z.strictObject({ by: z.literal('mount'), mount: objectName, comment }),
]);

export const revokeLeases: RouteOf<'revokeLeases'> = {
  body: SMALL,
  read: ({ body }) => {
    const asked = parseInput(revocation, body?.value);
    const selector: LeaseSelector = asked;
    const { comment: why } = asked;
    return async ({ parts, call, caller }) => ({
      status: 200,
      body: await revoke(parts, call, caller, { selector, comment: why }),
    });
  },
};

/** @throws ERR_REQUEST_INVALID */
function idOf(params: Incoming['params']): string {
  return parseParameter(identifier, params['id']);
}

function leaseJson(lease: Lease): Shape<'Lease'> {
  const { id, workload, podUid: pod, path, version, kind, cause } = lease;
  return {
    id,
    workload,
    path,
    version,
    kind,
    state: lease.state,
    ...(pod !== undefined && { podUid: pod }),
    ...(cause !== undefined && { cause }),
    issuedAt: instant(lease.issuedAt),
    endsAt: instant(lease.endsAt),
    maxEndsAt: instant(lease.maxEndsAt),
  };
}
