import type { Evidence } from '../../domain/posture/evidence.ts';
import { BrokerError } from '../../domain/errors.ts';
import { evidenceScope } from '../../domain/identity/principal.ts';
import { grantsOfWorkload } from '../../domain/identity/role-binding.ts';
import type { Caller } from '../access/call.ts';
import type { Rights } from '../state/dependencies.ts';
import type { Described } from './refusals.ts';
import { denied } from '../access/judge.ts';
import type { TargetJudgement } from './judge-target.ts';
import { LiveSession } from '../state/session-memory.ts';

/** A caller that may push evidence, and the repositories for whose images its reports count. */
export interface EvidenceWriter extends Pick<Evidence, 'writer' | 'scope'> {
  /** Fence keys that its right depends on. */
  readonly fences: readonly string[];
}

/**
 * An operator by its grants, or a workload by the role bindings. The scope does not bound signatures: they count by their signer.
 * @throws ERR_DENIED
 */
export function requireWriter(
  { catalog }: Pick<Rights, 'catalog'>,
  caller: Caller,
): EvidenceWriter {
  if (!(caller instanceof LiveSession)) {
    const { grants, name } = caller.operator;
    const scope = evidenceScope(grants);
    if (scope === undefined) throw denied('no_role');
    return { writer: name, scope, fences: caller.fences };
  }
  const { session, workloadId, fences } = caller;
  const scope = evidenceScope(grantsOfWorkload(catalog.all('role-binding'), session.workload));
  if (scope !== undefined)
    return { writer: workloadId, scope, fences: [...fences, 'role-bindings:all'] };
  // The caller knows its own name, and the text does not depend on existing bindings.
  const text = `no role binding gives ${workloadId} the role evidence-writer; ask an admin for one that names it under "workloads"`;
  throw new BrokerError('ERR_DENIED', text, { reason: 'no_role', isDetailShown: true });
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
