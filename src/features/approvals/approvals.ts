import {
  APPROVAL_RULE,
  approvalFence,
  coversRule,
  type Approval,
  type ApprovalSubject,
  type Elevation,
} from '../../domain/identity/approval.ts';
import { BrokerError } from '../../domain/errors.ts';
import { OWN_REQUEST } from '../../domain/identity/needed-roles.ts';
import { holdsEverywhere, narrowGrants } from '../../domain/identity/principal.ts';
import { grantsAdmin } from '../../broker/recording/granting.ts';
import type { Call } from '../../broker/access/call.ts';
import {
  findElevated,
  planElevationEnd,
  type ElevatedDocument,
} from '../../broker/documents/elevated-documents.ts';
import type { AuthenticatedRows } from '../../broker/kernel/row-macs.ts';
import type {
  Access,
  Backends,
  Recordable,
  Recording,
  Work,
} from '../../broker/state/dependencies.ts';
import {
  recordFailure,
  recordOperation,
  requireOwnAdmin,
} from '../../broker/recording/operation.ts';
import { commitAs, entryOf, type Attempt } from '../../broker/recording/record.ts';
import type { LiveOperator } from '../../broker/state/operator-token-memory.ts';
import { isConsent, type Granting } from '../../broker/recording/consent.ts';
import { consentTo, factsOf, newRequest, removalOf } from './consent.ts';
import type { Approving } from './approval-memory.ts';

/** An emergency does not wait longer. */
const PENDING_MS = 3_600_000;
/** An approved change must be made within this time. */
const USABLE_MS = 3_600_000;

type Parts = Recording & Access & Approving;
type EndParts = Parts & AuthenticatedRows & Pick<Backends, 'targets'> & Pick<Work, 'rotationsDue'>;

/** Requests more rights for the caller's own token. It may ask for any role: another operator decides. @throws ERR_CONFLICT */
export async function requestElevation(
  parts: Parts,
  call: Call,
  live: LiveOperator,
  elevation: Elevation,
): Promise<Approval> {
  const { role, scope } = elevation.grant;
  const query = `role=${role} scope=${scope.join(',')}`;
  const described = { action: 'approval.request', query, comment: elevation.reason } as const;
  return commitAs(parts, live, (decidedAt, now): Attempt<Approval> => {
    if (narrowGrants(now.operator.grants, [elevation.grant]).length > 0) {
      throw new BrokerError('ERR_CONFLICT', `you already have the role ${role} there`);
    }
    const acting = { call, live: now, decidedAt };
    const { approval, plan } = newRequest(parts, acting, { elevation }, PENDING_MS);
    return { plan, settle: () => approval };
  }).catch((error: unknown) => recordFailure({ parts, call, caller: live }, [described], error));
}

/** All requests and elevations, or only the caller's own. */
export function listApprovals(
  parts: Parts,
  call: Call,
  live: LiveOperator,
): Promise<{ readonly items: readonly Approval[]; readonly required: readonly ApprovalSubject[] }> {
  const described = { action: 'approval.list' } as const;
  return recordOperation({ parts, call, caller: live }, described, (now) => {
    const items = parts.approvals.inForce().filter((each) => maySee(now, each));
    return { items, required: parts.approvals.rule.required };
  });
}

/** A request, and what was written under it if it is an elevation. */
export interface ApprovalDetails {
  readonly approval: Approval;
  readonly documents: readonly ElevatedDocument[];
}

/** @throws ERR_NOT_FOUND, also for a request that the caller may not see */
export function readApproval(
  parts: Parts & AuthenticatedRows,
  call: Call,
  live: LiveOperator,
  id: string,
): Promise<ApprovalDetails> {
  const described = { action: 'approval.list', approval: id } as const;
  return recordOperation({ parts, call, caller: live }, described, async (now) => {
    const approval = found(parts, now, id);
    return { approval, documents: await findElevated(parts, id) };
  });
}

export interface Decision {
  readonly id: string;
  readonly reason?: string | undefined;
}

/**
 * Approves a request. A change can then be made by its requester; an elevation begins at once, and ends by itself.
 * @throws ERR_DENIED, ERR_NOT_FOUND, ERR_CONFLICT for the requester itself, or if it is approved already
 */
export function approve(
  parts: Parts,
  call: Call,
  live: LiveOperator,
  { id, reason }: Decision,
): Promise<Approval> {
  const described = { action: 'approval.approve', approval: id, comment: reason } as const;
  return commitAs(parts, live, async (decidedAt, now): Promise<Attempt<Approval>> => {
    requireOwnAdmin(now);
    const pending = found(parts, now, id);
    requireOther(now, pending);
    requireOtherHolder(now, pending);
    if (pending.state !== 'pending') {
      throw new BrokerError('ERR_CONFLICT', `${pending.approvedBy ?? ''} has approved it already`);
    }
    const { what, tokenId } = pending;
    if ('elevation' in what) await requireLiveToken(parts, tokenId);
    const lasts = 'elevation' in what ? what.elevation.seconds * 1000 : USABLE_MS;
    const approved: Approval = {
      ...pending,
      state: 'approved',
      approvedBy: now.operator.name,
      endsAt: parts.clock.now() + lasts,
    };
    const entry = { ...factsOf(pending), ...described, outcome: 'ok', endsAt: approved.endsAt };
    return {
      plan: {
        decidedAt,
        reads: now.fences,
        // A request that expires in between is not approved any more.
        notAfter: Math.min(now.operator.endsAt, pending.endsAt),
        ...removalOf(pending),
        writes: [{ table: 'approvals', put: parts.approvals.rowOf(approved) }],
        entries: [entryOf(parts, call, now, entry as Recordable)],
      },
      settle: () => approved,
    };
  }).catch((error: unknown) => recordFailure({ parts, call, caller: live }, [described], error));
}

/** Refuses a request of another operator, or ends its effect. @throws ERR_DENIED, ERR_NOT_FOUND, ERR_CONFLICT for the requester itself */
export function deny(
  parts: EndParts,
  call: Call,
  live: LiveOperator,
  decision: Decision,
): Promise<void> {
  return remove(parts, call, live, { ...decision, action: 'approval.deny' });
}

/** Removes the caller's own request, or ends its effect. @throws ERR_NOT_FOUND */
export function withdraw(
  parts: EndParts,
  call: Call,
  live: LiveOperator,
  decision: Decision,
): Promise<void> {
  return remove(parts, call, live, { ...decision, action: 'approval.withdraw' });
}

async function remove(
  parts: EndParts,
  call: Call,
  live: LiveOperator,
  { id, reason, action }: Decision & { readonly action: 'approval.deny' | 'approval.withdraw' },
): Promise<void> {
  const described = { action, approval: id, comment: reason } as const;
  await commitAs(parts, live, async (decidedAt, now): Promise<Attempt<undefined>> => {
    if (action === 'approval.deny') requireOwnAdmin(now);
    const open = found(parts, now, id);
    if (action === 'approval.deny') requireOther(now, open);
    else if (open.requester !== now.operator.name) throw new BrokerError('ERR_NOT_FOUND');
    const entry = { ...factsOf(open), ...described, outcome: 'ok' };
    const removal = removalOf(open);
    const ended = await planElevationEnd(parts, id, (event) => entryOf(parts, call, now, event));
    return {
      plan: {
        decidedAt,
        reads: now.fences,
        notAfter: now.operator.endsAt,
        expect: [...removal.expect, ...ended.expect],
        writes: [...removal.writes, ...ended.writes],
        invalidates: [...removal.invalidates, ...ended.invalidates],
        urgent: true,
        entries: [entryOf(parts, call, now, entry as Recordable), ...ended.entries],
      },
      settle: () => {
        if (ended.writes.length > 0) parts.rotationsDue.ring();
      },
    };
  }).catch((error: unknown) => recordFailure({ parts, call, caller: live }, [described], error));
}

/**
 * Says which grants need an approval. A rule that demands less than the one in force needs an approval itself. Every rule includes the role admin:
 * an admin could otherwise make a second one that approves its requests.
 * @throws ERR_DENIED, ERR_APPROVAL_REQUIRED, ERR_CONFLICT if no other admin could approve
 */
export async function requireApprovals(
  parts: Parts,
  call: Call,
  live: LiveOperator,
  wanted: readonly ApprovalSubject[],
): Promise<readonly ApprovalSubject[]> {
  const required = [...new Set(wanted)].sort();
  const described = { action: 'approval.require', query: required.join(',') || 'off' } as const;
  return commitAs(parts, live, (decidedAt, now): Attempt<readonly ApprovalSubject[]> => {
    requireOwnAdmin(now);
    const { rule } = parts.approvals;
    const isChange = rule.required.join() !== required.join();
    if (required.length > 0 && isChange) requireSecondAdmin(parts);
    const less: Granting = {
      kind: 'approvals',
      name: 'required',
      body: { required },
      replaces: rule.required.join(),
      gives: ['admin'],
    };
    const isLess = !coversRule(required, rule.required);
    const acting = { call, live: now, decidedAt };
    const consent = consentTo(parts, acting, isLess ? less : undefined);
    if (!isConsent(consent)) return consent;
    const key = { id: APPROVAL_RULE };
    const written =
      required.length > 0
        ? ({
            table: 'approvals',
            put: parts.approvals.rowOfRule(now.operator.name, required),
          } as const)
        : ({ table: 'approvals', remove: key } as const);
    const expected =
      rule.body === undefined
        ? ({ table: 'approvals', key, absent: true } as const)
        : ({ table: 'approvals', key, match: { body: rule.body } } as const);
    return {
      plan: {
        decidedAt,
        reads: [...now.fences, ...consent.reads, ...ADMINS],
        notAfter: consent.notAfter,
        expect: isChange ? [expected, ...consent.expect] : [],
        writes: isChange ? [written, ...consent.writes] : [],
        invalidates: isChange ? [approvalFence(APPROVAL_RULE), ...consent.invalidates] : [],
        entries: [...consent.entries, entryOf(parts, call, now, { ...described, outcome: 'ok' })],
      },
      settle: () => required,
    };
  }).catch((error: unknown) => recordFailure({ parts, call, caller: live }, [described], error));
}

/** Changes of operators and role bindings invalidate these. */
const ADMINS = ['operators:all', 'role-bindings:all'];

/** Two identities can approve each other's requests; a binding of admin stands for at least one person. @throws ERR_CONFLICT */
function requireSecondAdmin({ catalog }: Pick<Access, 'catalog'>): void {
  const admins = [...catalog.all('operator'), ...catalog.all('role-binding')].filter(grantsAdmin);
  if (admins.length >= 2) return;
  throw new BrokerError(
    'ERR_CONFLICT',
    'there is only one admin, so no other admin could approve; create a second admin first',
  );
}

/** @throws ERR_NOT_FOUND */
export function found({ approvals }: Approving, live: LiveOperator, id: string): Approval {
  const open = approvals.inForce().find((each) => each.id === id);
  if (open === undefined || !maySee(live, open)) throw new BrokerError('ERR_NOT_FOUND');
  return open;
}

const SEEING = ['admin', 'responder', 'auditor'] as const;

function maySee({ own }: LiveOperator, { requester }: Approval): boolean {
  return requester === own.name || SEEING.some((role) => holdsEverywhere(own, role));
}

/**
 * Requires that neither of the two operators may hold the token of the other one: it would approve for itself.
 * @throws ERR_CONFLICT
 */
function requireOtherHolder(
  { operator, minters }: LiveOperator,
  { requester, minters: requesters }: Approval,
): void {
  if (minters.includes(requester)) {
    const detail = `${requester} created your token, or one that created it; ${USE_ANOTHER}`;
    throw new BrokerError('ERR_CONFLICT', detail);
  }
  if (requesters.includes(operator.name)) {
    const detail = 'you created the token that requested this; another admin must decide';
    throw new BrokerError('ERR_CONFLICT', detail);
  }
}

const USE_ANOTHER = 'log in as a person, or use a token that another admin created';

/** @throws ERR_CONFLICT if the token that would be elevated has ended */
async function requireLiveToken({ store }: Parts, id: string): Promise<void> {
  if ((await store.get('operator_tokens', { id })) !== undefined) return;
  throw new BrokerError('ERR_CONFLICT', 'the session that requested it has ended');
}

/** All tokens of an operator and all sessions of a person have one name. @throws ERR_CONFLICT */
export function requireOther({ operator }: LiveOperator, { requester }: Approval): void {
  if (operator.name !== requester) return;
  throw new BrokerError('ERR_CONFLICT', OWN_REQUEST);
}
