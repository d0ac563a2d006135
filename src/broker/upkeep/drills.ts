import type { Call } from '../access/call.ts';
import { recordOperation, requireRole } from '../recording/operation.ts';
import type { Access, Recording } from '../state/dependencies.ts';
import type { LiveOperator } from '../state/operator-token-memory.ts';

interface Check {
  readonly name: string;
  readonly state: 'ok' | 'failed' | 'skipped';
}

/** Records what a drill of a restore found, as its operator reports it: the proof that an admin ran the drill. @throws ERR_DENIED */
export function recordDrill(
  parts: Recording & Access,
  call: Call,
  caller: LiveOperator,
  checks: readonly Check[],
): Promise<void> {
  const comment = checks.map(({ name, state }) => `${name}: ${state}`).join(', ');
  const count = checks.filter(({ state }) => state === 'failed').length;
  const described = { action: 'drill.record' as const, comment, count };
  return recordOperation({ parts, call, caller }, described, (operator) => {
    requireRole(operator, 'admin');
  });
}
