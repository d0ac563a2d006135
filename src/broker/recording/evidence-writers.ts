import type { Evidence } from '../../domain/posture/evidence.ts';
import { BrokerError } from '../../domain/errors.ts';
import { evidenceScope, holdsEverywhere } from '../../domain/identity/principal.ts';
import { grantsOfWorkload } from '../../domain/policy/role-binding.ts';
import { isWorkloadId } from '../../domain/identity/workload.ts';
import type { Caller } from '../access/call.ts';
import type { Rights } from '../state/dependencies.ts';
import type { Described } from './refusals.ts';
import { denied } from '../access/judge.ts';
import type { TargetJudgement } from './judge-target.ts';
import type { LiveOperator } from '../state/operator-token-memory.ts';
import { LiveSession } from '../state/session-memory.ts';
import { requireRole } from './operation.ts';

/** A caller that may push evidence, and the repositories for whose images its reports count. */
export interface EvidenceWriter extends Pick<Evidence, 'writer' | 'scope'> {
  /** Fence keys that its right depends on. */
  readonly fences: readonly string[];
}

/**
 * An operator by its lasting grants, or a workload by the role bindings. The scope does not bound signatures: they count by their signer.
 * @throws ERR_DENIED, also if only an elevation gives the role: what it pushed could let pods read after its end
 */
export function requireWriter(
  { catalog }: Pick<Rights, 'catalog'>,
  caller: Caller,
): EvidenceWriter {
  if (!(caller instanceof LiveSession)) {
    const { own, operator, fences } = caller;
    const scope = evidenceScope(own.grants);
    if (scope !== undefined) return { writer: own.name, scope, fences };
    throw evidenceScope(operator.grants) === undefined ? denied('no_role') : elevated();
  }
  const { session, workloadId, fences } = caller;
  const scope = evidenceScope(grantsOfWorkload(catalog.all('role-binding'), session.workload));
  if (scope !== undefined)
    return { writer: workloadId, scope, fences: [...fences, 'role-bindings:all'] };
  // The caller knows its own name, and the text does not depend on existing bindings.
  const text = `no role binding gives ${workloadId} the role evidence-writer; ask an admin for one that names it under "workloads"`;
  throw new BrokerError('ERR_DENIED', text, { reason: 'no_role', isDetailShown: true });
}

/**
 * Requires lasting rights to delete evidence: a deletion lifts what the evidence denied, and would outlive an elevation.
 * @throws ERR_DENIED
 */
export function requireEvidenceDeleter(live: LiveOperator): void {
  requireRole(live, 'evidence-writer');
  if (!holdsEverywhere(live.own, 'evidence-writer')) throw elevated();
}

function elevated(): BrokerError {
  const text =
    'an elevation does not push evidence or signatures, or delete evidence, because that would outlive it; ask an operator whose own role is evidence-writer or admin';
  return new BrokerError('ERR_DENIED', text, { reason: 'elevated', isDetailShown: true });
}

/**
 * The tenant that a writer belongs to: an operator, a watch, or all workloads with one scope. These are the pipelines of one team, and
 * each person may start some with many identities.
 */
export function tenantOf({ writer, scope }: Pick<Evidence, 'writer' | 'scope'>): string {
  return isWorkloadId(writer) ? `workloads with the scope [${scope.join(', ')}]` : writer;
}

/** Rows and bytes of a space in the store. */
export interface Space {
  readonly rows: number;
  readonly bytes: number;
}

/** Part of a space that is kept for tenants with little. */
const KEPT = 1 / 4;
/** Part of a space that counts as little. */
const LITTLE = 1 / 128;

/**
 * The share of a tenant in a space: half of what the others leave, so that the first may have the most, and the next ones find
 * space. A quarter is kept for tenants with little: however many others take what they can, these still store their signatures.
 */
export function shareOfTenant(space: Space, others: Space): Space {
  const share = (all: number, taken: number): number =>
    Math.floor(Math.max((all * (1 - KEPT) - taken) / 2, all * LITTLE));
  return { rows: share(space.rows, others.rows), bytes: share(space.bytes, others.bytes) };
}

/** The decision before the body of a push is read. */
export function judgeWriter(described: Described): TargetJudgement {
  return {
    described,
    judge: ({ parts, caller }) => {
      requireWriter(parts, caller);
      return { allowed: true };
    },
  };
}
