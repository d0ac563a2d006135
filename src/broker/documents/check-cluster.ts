import { isEnrolling } from '../../domain/identity/cluster.ts';
import type { CheckReport } from '../../ports/secret-provider.ts';
import type { Call } from '../access/call.ts';
import { orNotFound } from '../model/document.ts';
import { recordOperation, requireRole } from '../recording/operation.ts';
import type { Access, Recording } from '../state/dependencies.ts';
import type { LiveOperator } from '../state/operator-token-memory.ts';

/** Asks a cluster for what logins and watches need there, and reports problems. @throws ERR_DENIED, ERR_NOT_FOUND */
export async function checkCluster(
  parts: Recording & Access,
  call: Call,
  live: LiveOperator,
  name: string,
): Promise<CheckReport> {
  const document = { kind: 'cluster', name };
  return recordOperation(
    { parts, call, caller: live },
    { action: 'document.check', document },
    async (operator) => {
      requireRole(operator, 'admin', 'responder');
      const { spec } = orNotFound(parts.catalog.find('cluster', name));
      const report = parts.clusters.check(name);
      if (report !== undefined) return report;
      const problem =
        parts.clusters.problem(spec) ??
        (isEnrolling(spec)
          ? `it has not enrolled: run quaymaster cluster enroll ${name}, then the Job of docs/enrolment.md`
          : 'the broker could not open it; its log has the reason');
      return { healthy: false, findings: [`the cluster is not served: ${problem}`] };
    },
  );
}
