import type { Call } from '../access/call.ts';
import { recordFailure, requireRole } from '../recording/operation.ts';
import type { Access, Recording, Work } from '../state/dependencies.ts';
import { commitAs, entryOf } from '../recording/record.ts';
import type { LiveOperator } from '../state/operator-token-memory.ts';

/**
 * Seals the installation: every replica drops its keys and values, and refuses every request until it is restarted. The entry commits
 * first. All requests in flight depend on policies, mounts or a cluster, so none of them commits later. @throws ERR_DENIED
 */
export async function sealInstallation(
  parts: Recording & Access & Pick<Work, 'log'>,
  call: Call,
  live: LiveOperator,
  comment: string,
): Promise<void> {
  const acting = { parts, call, caller: live };
  const described = { action: 'broker.seal', comment } as const;
  const { tokens, catalog } = parts;
  // Afterwards the keys are gone that check tokens.
  const readers = tokens.presented(catalog);
  await commitAs(parts, live, (decidedAt, operator) => {
    requireRole(operator, 'responder');
    const clusters = catalog.all('cluster').map(({ name }) => `cluster:${name}`);
    return {
      plan: {
        decidedAt,
        reads: operator.fences,
        notAfter: operator.operator.endsAt,
        invalidates: ['policies:all', 'mounts:all', ...clusters, 'seal'],
        urgent: true,
        entries: [entryOf(parts, call, operator, { ...described, outcome: 'ok' })],
      },
      settle: () => {
        const seal = { operator: operator.operator.name, reason: comment };
        tokens.sealNotice.keep(seal, readers);
        parts.log.error(seal, 'an operator sealed the installation');
      },
    };
  }).catch((error: unknown) => recordFailure(acting, [described], error));
}
