import type { Lease } from '../../domain/secrets/lease.ts';
import { holdsEverywhere, holdsFor } from '../../domain/identity/principal.ts';
import type { Call } from '../access/call.ts';
import { ENDED_AT_ONCE, endLeases } from '../state/end-leases.ts';
import { denied } from '../access/judge.ts';
import { recordFailure, type Acting } from '../recording/operation.ts';
import type { Access, Recording, Rights, Storage } from '../state/dependencies.ts';
import { commitAs, entryOf } from '../recording/record.ts';
import { selectLeases } from '../state/select-leases.ts';
import { openLease } from '../state/lease-rows.ts';
import type { LiveOperator } from '../state/operator-token-memory.ts';

/** Selector of leases, with exactly one of these members; a path also covers everything below it, by whole segments. */
export type LeaseSelector =
  | { readonly id: string }
  | { readonly path: string }
  | { readonly workload: string }
  | { readonly pod: string }
  | { readonly mount: string };

/** The result: `revoked` leases had no credential at a backend. For `revoking` leases, the backend still has to revoke the credential. */
export interface RevokedLeases {
  readonly revoked: number;
  readonly revoking: number;
}

/**
 * Ends live leases and queues their credentials for revocation at the backends. Their sessions continue. A session cannot lease a version
 * again that was revoked from it.
 * @throws ERR_DENIED
 */
export async function revokeLeases(
  parts: Recording & Access,
  call: Call,
  live: LiveOperator,
  request: { readonly selector: LeaseSelector; readonly comment?: string | undefined },
): Promise<RevokedLeases> {
  const { selector, comment } = request;
  const acting = { parts, call, caller: live };
  try {
    let [revoked, revoking] = [0, 0];
    for (;;) {
      const isFirst = revoked + revoking === 0;
      const leases = await endChunk(acting, selector, { comment, isFirst });
      const queued = leases.filter(({ credentialId }) => credentialId !== undefined).length;
      revoked += leases.length - queued;
      revoking += queued;
      if (leases.length < ENDED_AT_ONCE) return { revoked, revoking };
    }
  } catch (error) {
    return recordFailure(acting, [{ action: 'lease.revoke', comment, ...lease(selector) }], error);
  }
}

function authorize(live: LiveOperator, selector: LeaseSelector): void {
  if (holdsEverywhere(live.operator, 'responder')) return;
  if ('path' in selector && holdsFor(live.operator, 'responder', selector.path)) return;
  throw denied('no_role');
}

function lease(selector: LeaseSelector): { readonly lease?: string; readonly path?: string } {
  if ('id' in selector) return { lease: selector.id };
  return 'path' in selector ? { path: selector.path } : {};
}

/** @returns how many leases ended; fewer than a chunk means that none are left. */
async function endChunk(
  { parts, call, caller }: Acting<LiveOperator>,
  selector: LeaseSelector,
  { comment, isFirst }: { readonly comment: string | undefined; readonly isFirst: boolean },
): Promise<readonly Lease[]> {
  return commitAs(parts, caller, async (decidedAt, operator) => {
    authorize(operator, selector);
    const leases = await select(parts, selector);
    const cause = 'revoked';
    const entry = (facts: object): string =>
      entryOf(parts, call, operator, {
        action: 'lease.revoke',
        outcome: 'ok',
        cause,
        ...facts,
      });
    const summary = entry({ count: leases.length, comment });
    const isSaid = leases.length > 0 || isFirst;
    return {
      plan: {
        ...endLeases(parts, leases, cause),
        decidedAt,
        reads: operator.fences,
        notAfter: operator.operator.endsAt,
        urgent: true,
        entries: isSaid ? [summary, ...leases.map((each) => entry(factsOf(each)))] : [],
      },
      settle: () => leases,
    };
  });
}

function factsOf({ id, path, version, sessionId }: Lease): object {
  return { lease: id, path, version, session: sessionId };
}

async function select(
  parts: Pick<Storage, 'store'> & Pick<Rights, 'catalog'>,
  selector: LeaseSelector,
): Promise<readonly Lease[]> {
  if ('id' in selector) {
    const row = await parts.store.get('leases', { id: selector.id });
    return row?.state === 'live' ? [openLease(row)] : [];
  }
  const rows = await selectLeases(parts, { ...selector, state: 'live' }, { limit: ENDED_AT_ONCE });
  return rows.map(openLease);
}
