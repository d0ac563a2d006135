import * as z from 'zod';
import {
  approve,
  deny,
  listApprovals as list,
  readApproval as read,
  requestElevation,
  requireApprovals as require,
  withdraw,
  type ApprovalDetails,
} from './approvals.ts';
import { confirmDocuments as confirm } from './confirm-documents.ts';
import { MOST_ELEVATED } from '../../broker/documents/elevated-documents.ts';
import { text } from '../../broker/model/fields.ts';
import { checkScope } from '../../broker/model/grant-schema.ts';
import { APPROVAL_SUBJECTS, type Approval } from '../../domain/identity/approval.ts';
import { instant } from '../../domain/time/instant.ts';
import { ROLES } from '../../domain/identity/principal.ts';
import { duration, identifier, remark } from '../../api/request/fields.ts';
import { parseInput, parseParameter } from '../../api/request/parse-input.ts';
import type { Incoming, RouteOf } from '../../api/request/route.ts';
import type { Shape } from '../../api/contract/shapes.ts';

const BODY = { maxBytes: 8_192 };
const LONGEST_SECONDS = 4 * 3_600;

const wish = z
  .strictObject({
    role: z
      .enum(ROLES)
      .refine(
        (role) => role !== 'evidence-writer',
        'must not be evidence-writer: evidence would outlive the elevation; ask an admin to push it, or to give you the role',
      ),
    scope: z.array(text).max(16).default([]),
    reason: remark.min(1),
    duration: duration
      .refine((seconds) => seconds > 0 && seconds <= LONGEST_SECONDS, 'must be from 1s to 4h')
      .default(3_600),
  })
  .superRefine(checkScope);
const rule = z.strictObject({
  required: z
    .array(z.enum(APPROVAL_SUBJECTS))
    .max(APPROVAL_SUBJECTS.length)
    .refine(
      (subjects) => subjects.length === 0 || subjects.includes('admin'),
      'must include admin: an admin could otherwise make a second one that approves its requests',
    ),
});
const decision = z.strictObject({ reason: remark.min(1).optional() });

export const requestBreakGlass: RouteOf<'requestBreakGlass'> = {
  body: BODY,
  read: ({ body }) => {
    const { role, scope, reason, duration: seconds } = parseInput(wish, body?.value);
    const elevation = { grant: { role, scope }, reason, seconds };
    return async ({ parts, call, caller }) => ({
      status: 201,
      body: approvalJson(await requestElevation(parts, call, caller, elevation)),
    });
  },
};

export const listApprovals: RouteOf<'listApprovals'> = {
  read:
    () =>
    async ({ parts, call, caller }) => {
      const { items, required } = await list(parts, call, caller);
      return {
        status: 200,
        body: { items: items.map(approvalJson), required },
      };
    },
};

export const readApproval: RouteOf<'readApproval'> = {
  read: ({ params }) => {
    const id = idOf(params);
    return async ({ parts, call, caller }) => ({
      status: 200,
      body: detailsJson(await read(parts, call, caller, id)),
    });
  },
};

const seen = z.strictObject({
  kind: z.enum(['policy', 'definition', 'posture-profile', 'response-rule']),
  name: text,
  version: z.int().min(1),
});
const confirmation = z.strictObject({
  documents: z
    .array(seen)
    .min(1)
    .max(MOST_ELEVATED)
    .refine(
      (list) => new Set(list.map(({ kind, name }) => `${kind}/${name}`)).size === list.length,
      'must name each document once',
    ),
  reason: remark.min(1).optional(),
});

export const confirmDocuments: RouteOf<'confirmDocuments'> = {
  body: { maxBytes: 65_536 },
  read: ({ params, body }) => {
    const made = { id: idOf(params), ...parseInput(confirmation, body?.value) };
    return async ({ parts, call, caller }) => {
      await confirm(parts, call, caller, made);
      return { status: 204 };
    };
  },
};

export const approveRequest: RouteOf<'approveRequest'> = {
  body: BODY,
  read: ({ params, body }) => {
    const made = { id: idOf(params), ...parseInput(decision, body?.value) };
    return async ({ parts, call, caller }) => ({
      status: 200,
      body: approvalJson(await approve(parts, call, caller, made)),
    });
  },
};

export const denyRequest: RouteOf<'denyRequest'> = {
  body: BODY,
  read: ({ params, body }) => {
    const made = { id: idOf(params), ...parseInput(decision, body?.value) };
    return async ({ parts, call, caller }) => {
      await deny(parts, call, caller, made);
      return { status: 204 };
    };
  },
};

export const withdrawRequest: RouteOf<'withdrawRequest'> = {
  query: ['reason'],
  read: ({ params, query }) => {
    const reason = parseParameter(remark.min(1).optional(), query.get('reason'));
    const id = idOf(params);
    return async ({ parts, call, caller }) => {
      await withdraw(parts, call, caller, { id, reason });
      return { status: 204 };
    };
  },
};

export const requireApprovals: RouteOf<'requireApprovals'> = {
  body: BODY,
  read: ({ body }) => {
    const { required } = parseInput(rule, body?.value);
    return async ({ parts, call, caller }) => ({
      status: 200,
      body: { required: await require(parts, call, caller, required) },
    });
  },
};

function detailsJson({ approval, documents }: ApprovalDetails): Shape<'Approval'> {
  if (!('elevation' in approval.what)) return approvalJson(approval);
  const listed = documents.map(({ document: { kind, name, version }, atEnd }) => ({
    kind,
    name,
    version,
    atEnd,
  }));
  return { ...approvalJson(approval), documents: listed };
}

/** @throws ERR_REQUEST_INVALID */
function idOf(params: Incoming['params']): string {
  return parseParameter(identifier, params['id']);
}

function approvalJson({
  what,
  approvedBy,
  createdAt,
  endsAt,
  ...rest
}: Approval): Shape<'Approval'> {
  const { id, state, requester } = rest;
  return {
    id,
    state,
    requester,
    ...('change' in what ? { change: changeJson(what) } : { elevation: elevationJson(what) }),
    ...(approvedBy !== undefined && { approvedBy }),
    createdAt: instant(createdAt),
    endsAt: instant(endsAt),
  };
}

function changeJson({
  change: { kind, name, body },
}: Extract<Approval['what'], { readonly change: unknown }>): NonNullable<
  Shape<'Approval'>['change']
> {
  return { kind, name, body };
}

function elevationJson({
  elevation: { grant, seconds, reason },
}: Extract<Approval['what'], { readonly elevation: unknown }>): NonNullable<
  Shape<'Approval'>['elevation']
> {
  return { ...grant, seconds, reason };
}
