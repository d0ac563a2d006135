import type { Evidence } from '../../domain/posture/evidence.ts';
import { evidenceScope } from '../../domain/principal.ts';
import { denied } from '../secrets/judge.ts';
import type { LiveOperator } from '../sessions/operator-token-memory.ts';

/**
 * The caller as a writer of evidence, and the repositories for whose images its reports count. The scope does not bound signatures: they count by their signer.
 * @throws ERR_DENIED
 */
export function requireWriter({ operator }: LiveOperator): Pick<Evidence, 'writer' | 'scope'> {
  const scope = evidenceScope(operator.grants);
  if (scope === undefined) throw denied('no_role');
  return { writer: operator.name, scope };
}
