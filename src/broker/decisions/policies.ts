import { BrokerError, type Problem } from '../../domain/errors.ts';
import type { DocumentReference } from '../../domain/audit/audit-actions.ts';
import { parseSecretPath } from '../../domain/words/names.ts';
import {
  explain,
  parsePolicy,
  type Capability,
  type Explanation,
} from '../../domain/policy/index.ts';
import { accountOf, type Workload } from '../../domain/identity/workload.ts';
import { explainSteps, resultLine, stepLines, type ExplainStep } from '../access/explain-steps.ts';
import { isKnownDecoy } from '../recording/decoys.ts';
import {
  findBlocks,
  revokedVersions,
  type Block,
  type RevokedVersion,
} from '../access/access-blocks.ts';
import type { Call } from '../access/call.ts';
import { recordOperation, requireRole } from '../recording/operation.ts';
import type { Access, Recording } from '../state/dependencies.ts';
import type { LiveOperator } from '../state/operator-token-memory.ts';

/**
 * Returns every problem of a policy document, or none if it could be saved.
 * @throws ERR_DENIED for an operator that may save no policy at all.
 */
export async function validatePolicy(
  parts: Recording & Access,
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
  /** True if the session is bound to a key; unknown if absent. */
  readonly sealed?: boolean | undefined;
  /** Milliseconds since the epoch; the current time if absent. */
  readonly at?: number | undefined;
  /** Session whose revoked versions are reported; if absent, the open sessions of the pod. */
  readonly session?: string | undefined;
}

/** Decision of the policies, and the blocks that override it. */
export interface ExplainedDecision extends Explanation {
  readonly steps: readonly ExplainStep[];
  readonly blocks: readonly Block[];
  readonly revoked: readonly RevokedVersion[];
}

/**
 * Explains how the current policies would decide, and why. It also reports blocks that override the policies: a quarantine, an
 * ended pod or session, or a revoked version. Only unscoped policy editors and auditors may ask, because the explanation names
 * rules of all editors.
 * @throws ERR_DENIED
 */
export async function explainDecision(
  parts: Recording & Access,
  call: Call,
  live: LiveOperator,
  request: ExplainRequest,
): Promise<ExplainedDecision> {
  const { path, capability, workload } = request;
  parseSecretPath(path);
  const { cluster, namespace, serviceAccount } = accountOf(workload);
  const query = `${capability} by ${[cluster, namespace, serviceAccount].filter((name) => name !== '').join('/')}`;
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
      const reads = capability === 'read' ? path : undefined;
      const blocks = await findBlocks(parts, workload, { at: now, session, reads });
      const revoked = await revokedVersions(parts, { workload, path, session });
      const { effect } = explanation.decision;
      const policy = {
        verdict: effect === 'allow' ? 'passes' : 'blocks',
        text: explanation.lines[0] ?? effect,
      } as const;
      const isDecoy = isKnownDecoy(parts, operator, path);
      const steps = explainSteps(parts, { workload, path, policy, blocks, revoked, isDecoy });
      const lines = [...explanation.lines, ...stepLines(steps), resultLine(steps, at)];
      return { ...explanation, lines, steps, blocks, revoked };
    },
  );
}

function requirePolicyEditor(live: LiveOperator): void {
  const may = live.operator.grants.some(({ role }) => role === 'policy-editor' || role === 'admin');
  if (!may) throw new BrokerError('ERR_DENIED', undefined, { reason: 'no_role' });
}
