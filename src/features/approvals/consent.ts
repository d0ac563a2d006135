import { APPROVAL_RULE, approvalFence, type Approval } from '../../domain/identity/approval.ts';
import { BrokerError } from '../../domain/errors.ts';
import type { Plan } from '../../ports/store.ts';
import { randomId } from '../../crypto/random/random.ts';
import { sha256Hex } from '../../crypto/hashes/digest.ts';
import type { Approving } from './approval-memory.ts';
import type { Recordable, Recording } from '../../broker/state/dependencies.ts';
import type { Consent, Consented, Consents, Granting } from '../../broker/recording/consent.ts';
import { entryOf, type Attempt } from '../../broker/recording/record.ts';

/** A request waits this long for its approval. */
const PENDING_MS = 24 * 3_600_000;
/** Limit of requests: every replica keeps each row in memory, and a row may have a whole document. */
const MOST = 50;
const MOST_OF_ONE = 10;
/**
 * The fence of requests that are counted one after another: those of one requester, and all of them when few places are left. No requester can keep the
 * requests of others from being committed.
 */
const COUNTED = 'approvals:count';

type ConsentParts = Pick<Recording, 'clock' | 'digest'> & Approving;

/** The consents of admins to grants of rights. */
export function adminConsents(parts: ConsentParts): Consents {
  return { to: (acting, granting) => consentTo(parts, acting, granting) };
}

/**
 * Decides on a grant of rights. If it needs an approval and has none, the result is an attempt that records the request and then fails. The
 * requester repeats the same request after the approval, and the approval is used up in the same commit. An approval that was withdrawn, denied or
 * used in between fails the plan, and one that expired makes it stale.
 * @throws ERR_APPROVAL_REQUIRED if the request is already pending, ERR_CONFLICT if too many are
 */
export function consentTo(
  parts: ConsentParts,
  acting: Consented,
  granting: Granting | undefined,
): Consent | Attempt<never> {
  const { live } = acting;
  const { endsAt: notAfter } = live.operator;
  const none = { expect: [], writes: [], invalidates: [], entries: [], notAfter };
  if (granting === undefined) return { ...none, reads: [] };
  // Switching the rule on invalidates this key, so that no grant that was decided without it commits after it.
  const reads = [approvalFence(APPROVAL_RULE)];
  const { required } = parts.approvals.rule;
  if (!granting.gives.some((subject) => required.includes(subject))) return { ...none, reads };
  const { kind, name, body, replaces } = granting;
  const digest = sha256Hex(JSON.stringify([kind, name, replaces, body]));
  const change = { kind, name, digest, body };
  const requested = parts.approvals
    .inForce()
    .find(
      ({ requester, what }) =>
        requester === live.operator.name && 'change' in what && what.change.digest === digest,
    );
  if (requested === undefined) return requestOf(parts, acting, { change });
  if (requested.state === 'pending') throw approvalRequired(requested.id);
  const { id, endsAt } = requested;
  return {
    reads,
    ...removalOf(requested),
    notAfter: Math.min(notAfter, endsAt),
    entries: [
      entryOf(parts, acting.call, live, {
        ...factsOf(requested),
        action: 'approval.use',
        outcome: 'ok',
        approval: id,
      }),
    ],
  };
}

/** Records a new request. Its attempt fails with ERR_APPROVAL_REQUIRED after the commit. @throws ERR_CONFLICT if there are too many */
function requestOf(parts: ConsentParts, acting: Consented, what: Approval['what']): Attempt<never> {
  const { approval, plan } = newRequest(parts, acting, what, PENDING_MS);
  return {
    plan,
    settle: () => {
      throw approvalRequired(approval.id);
    },
  };
}

/** The plan of a new request. @throws ERR_CONFLICT if there are too many */
export function newRequest(
  parts: ConsentParts,
  { call, live, decidedAt }: Consented,
  what: Approval['what'],
  pendingMs: number,
): { readonly approval: Approval; readonly plan: Plan } {
  const { name: requester, tokenId, endsAt } = live.operator;
  const now = parts.clock.now();
  const same = parts.approvals.all().filter((each) => 'change' in each.what === 'change' in what);
  const own = same.filter((each) => each.requester === requester);
  if (own.length >= MOST_OF_ONE || same.length >= MOST) {
    const [count, whose] = own.length >= MOST_OF_ONE ? [MOST_OF_ONE, 'your'] : [MOST, 'all'];
    throw new BrokerError(
      'ERR_CONFLICT',
      `${count} requests are open, the most there may be (${whose} requests); withdraw or deny some: quaymaster approval ls`,
    );
  }
  const isNear = same.length >= MOST - MOST_OF_ONE;
  const counted = [`${COUNTED}/${requester}`, ...(isNear ? [COUNTED] : [])];
  const approval: Approval = {
    id: randomId('apr'),
    state: 'pending',
    requester,
    tokenId,
    minters: live.minters,
    what,
    approvedBy: undefined,
    createdAt: now,
    endsAt: now + pendingMs,
  };
  const entry = {
    ...factsOf(approval),
    action: 'approval.request',
    outcome: 'ok',
    endsAt: approval.endsAt,
  } as Recordable;
  return {
    approval,
    plan: {
      decidedAt,
      reads: [...live.fences, ...counted, approvalFence(APPROVAL_RULE)],
      notAfter: endsAt,
      expect: [{ table: 'approvals', key: { id: approval.id }, absent: true }],
      writes: [{ table: 'approvals', put: parts.approvals.rowOf(approval) }],
      invalidates: [approvalFence(approval.id), ...counted],
      entries: [entryOf(parts, call, live, entry)],
    },
  };
}

/** Expects the approval as it was decided on, and removes it. */
export function removalOf(
  approval: Approval,
): Required<Pick<Plan, 'expect' | 'writes' | 'invalidates'>> {
  const { id, what, tokenId } = approval;
  return {
    expect: [expectedState(approval)],
    writes: [{ table: 'approvals', remove: { id } }],
    invalidates: [approvalFence(id), ...('elevation' in what ? [`token:${tokenId}`] : [])],
  };
}

function expectedState({ id, state, endsAt }: Approval): NonNullable<Plan['expect']>[number] {
  return { table: 'approvals', key: { id }, match: { state, ends_at: endsAt } };
}

/** The facts of every audit entry about an approval. */
export function factsOf({ id, requester, what }: Approval): object {
  const common = { approval: id, requestedBy: requester };
  if ('change' in what) {
    const { kind, name } = what.change;
    return { ...common, document: { kind, name } };
  }
  const { role, scope } = what.elevation.grant;
  const query = `role=${role} scope=${scope.join(',')} seconds=${what.elevation.seconds}`;
  return { ...common, query, comment: what.elevation.reason };
}

function approvalRequired(id: string): BrokerError {
  return new BrokerError(
    'ERR_APPROVAL_REQUIRED',
    `another admin must approve this: quaymaster approval approve ${id}; then repeat the request within an hour`,
    { reason: 'approval_required', isDetailShown: true },
  );
}
