import type { PostureFinding } from '../../domain/posture/finding.ts';
import { holdsFor } from '../../domain/identity/principal.ts';
import type { LiveOperator } from '../../broker/state/operator-token-memory.ts';

const SEEING = ['secret-reader', 'secret-editor', 'auditor'] as const;

/** Names in the message those secrets whose paths the operator may see. */
export function findingFor(
  { operator }: LiveOperator,
  { equalSecrets = [], ...finding }: PostureFinding,
): PostureFinding {
  const seen = equalSecrets.filter((path) => SEEING.some((role) => holdsFor(operator, role, path)));
  return seen.length === 0
    ? finding
    : { ...finding, message: `${finding.message}: ${seen.join(', ')}` };
}
