import {
  APPROVAL_RULE,
  approvalFence,
  type ApprovalSubject,
  type RightsGrant,
} from '../../domain/identity/approval.ts';
import type { Plan } from '../../ports/store.ts';
import type { Call } from '../access/call.ts';
import type { Attempt } from './record.ts';
import type { LiveOperator } from '../state/operator-token-memory.ts';

/** Additions to the caller's plan: the use of the approval. Empty if none is needed. */
export type Consent = Required<
  Pick<Plan, 'reads' | 'expect' | 'writes' | 'invalidates' | 'entries'>
> & {
  readonly notAfter: number;
};

/**
 * A grant of rights before it has a digest. `replaces` identifies the object of the change, such as the uid and version of a
 * document.
 */
export interface Granting {
  readonly kind: RightsGrant['kind'];
  readonly name: string;
  readonly body: unknown;
  readonly replaces: string;
  /** The rights that the change gives. It needs an approval if one of them does. */
  readonly gives: readonly ApprovalSubject[];
}

/** The operator that makes the change. */
export interface Consented {
  readonly call: Call;
  readonly live: LiveOperator;
  readonly decidedAt: number;
}

/** Decides whether a grant of rights has the consent that it needs. */
export interface Consents {
  /**
   * @param granting undefined for a change that gives no rights
   * @returns the additions to the plan of the change, or an attempt that records what is missing and then fails
   * @throws ERR_APPROVAL_REQUIRED, ERR_CONFLICT
   */
  to(acting: Consented, granting: Granting | undefined): Consent | Attempt<never>;
}

export interface Consenting {
  readonly consents: Consents;
}

/** The consents of a broker without approvals. A grant of rights fails at its commit if a rule in the store demands approvals. */
export const WITHOUT_APPROVALS: Consents = {
  to({ live }, granting) {
    const none = { writes: [], invalidates: [], entries: [], notAfter: live.operator.endsAt };
    if (granting === undefined) return { ...none, reads: [], expect: [] };
    return {
      ...none,
      reads: [approvalFence(APPROVAL_RULE)],
      expect: [{ table: 'approvals', key: { id: APPROVAL_RULE }, absent: true }],
    };
  },
};

/** Adds the use of the approval to the plan of the change. */
export function withConsent(consent: Consent, plan: Plan): Plan {
  const { expect = [], writes = [], invalidates = [], reads = [], entries = [] } = plan;
  return {
    ...plan,
    expect: [...expect, ...consent.expect],
    writes: [...writes, ...consent.writes],
    invalidates: [...invalidates, ...consent.invalidates],
    reads: [...reads, ...consent.reads],
    entries: [...consent.entries, ...entries],
    notAfter: consent.notAfter,
  };
}

export function isConsent(result: Consent | Attempt<never>): result is Consent {
  return 'writes' in result;
}
