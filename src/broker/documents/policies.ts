import { BrokerError, type Problem } from '../../domain/errors.ts';
import type { DocumentReference } from '../../domain/audit-actions.ts';
import { parseSecretPath } from '../../domain/names.ts';
import {
  explain,
  parsePolicy,
  type Capability,
  type Explanation,
} from '../../domain/policy/index.ts';
import type { Workload } from '../../domain/workload.ts';
import {
  blockLines,
  blocksOf,
  revokedVersions,
  type Block,
  type RevokedVersion,
} from '../sessions/blocks.ts';
import type { Call } from '../call.ts';
import { recordOperation, requireRole } from '../recording/operation.ts';
import type { Parts } from '../parts.ts';
import type { LiveOperator } from '../sessions/operator-token-memory.ts';

/** Every problem of a policy document, none when it could be saved. @throws ERR_DENIED for who may save no policy at all. */
export async function validatePolicy(
  parts: Parts,
  call: Call,
  live: LiveOperator,
  body: unknown,
): Promise<readonly Problem[]> {
  const document: DocumentReference = { kind: 'policy', name: '*' };
  return recordOperation(
    { parts, call, caller: live },
    { action: 'policy.validate', document },
    (operator) => {
      requirePolicyEditor(operator);
      try {
        parsePolicy(body);
        return [];
      } catch (error) {
        if (error instanceof BrokerError && error.problems !== undefined) return error.problems;
        throw error;
      }
    },
  );
}

export interface ExplainRequest {
  readonly workload: Workload;
  readonly podLabels?: Readonly<Record<string, string>> | undefined;
  readonly capability: Capability;
  readonly path: string;
  readonly sourceAddress: string;
  /** Whether the session is bound to a key; not known, when absent. */
  readonly sealed?: boolean | undefined;
  /** Milliseconds since the epoch; now, when absent. */
  readonly at?: number | undefined;
  /** The session that is asked about, for what was revoked from it; the open sessions of the pod, when absent. */
  readonly session?: string | undefined;
}

/** What the policies decide, and what refuses the workload nevertheless. */
export interface ExplainedDecision extends Explanation {
  readonly blocks: readonly Block[];
  readonly revoked: readonly RevokedVersion[];
}

/**
 * How the policies as they are now would decide, and why; and what refuses the workload whatever they decide: a quarantine, the end of its pod or
 * session, a version that was revoked. For unscoped policy editors, since it names rules of anybody.
 * @throws ERR_DENIED
 */
export async function explainDecision(
  parts: Parts,
  call: Call,
  live: LiveOperator,
  request: ExplainRequest,
): Promise<ExplainedDecision> {
  const { path, capability, workload } = request;
  parseSecretPath(path);
  const query = `${capability} by ${workload.cluster}/${workload.namespace}/${workload.serviceAccount}`;
  return recordOperation(
    { parts, call, caller: live },
    { action: 'policy.explain', path, query },
    async (operator) => {
      requireRole(operator, 'policy-editor', 'auditor');
      const { podLabels, at, session, ...rest } = request;
      const now = at ?? parts.clock.now();
      const explanation = explain(parts.catalog.policies, {
        ...rest,
        now,
        podLabels: podLabels === undefined ? undefined : new Map(Object.entries(podLabels)),
      });
      const blocks = await blocksOf(parts, workload, { at: now, session });
      const revoked = await revokedVersions(parts, { workload, path, session });
      const lines = [...explanation.lines, ...blockLines(blocks, revoked)];
      return { ...explanation, lines, blocks, revoked };
    },
  );
}

function requirePolicyEditor(live: LiveOperator): void {
  const may = live.operator.grants.some(({ role }) => role === 'policy-editor' || role === 'admin');
  if (!may) throw new BrokerError('ERR_DENIED', undefined, { reason: 'no_role' });
}
