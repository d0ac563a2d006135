import type { Metric } from '../../ports/metrics.ts';
import type { Approving } from './approval-memory.ts';

const KINDS = ['admin-grant', 'break-glass'] as const;
const STATES = ['pending', 'approved'] as const;

/** Requests that wait for an admin, and rights that an operator has for a time. */
export function approvalMetrics({ approvals }: Approving): readonly Metric[] {
  return [
    {
      name: 'quaymaster_approvals',
      help: 'Requests that an admin must approve, approved changes that were not made yet, and elevations in force',
      labels: ['kind', 'state'],
      values() {
        const open = approvals.inForce();
        const count = (kind: string, state: string): number =>
          open.filter(
            (each) => each.state === state && 'change' in each.what === (kind === 'admin-grant'),
          ).length;
        return KINDS.flatMap((kind) =>
          STATES.map((state) => [{ kind, state }, count(kind, state)] as const),
        );
      },
    },
  ];
}
