import { planElevationEnd } from '../../broker/documents/elevated-documents.ts';
import type { AuthenticatedRows } from '../../broker/kernel/row-macs.ts';
import { Worker } from '../../broker/kernel/worker.ts';
import { SystemActor } from '../../broker/recording/record.ts';
import type { Backends, Recordable, Recording, Work } from '../../broker/state/dependencies.ts';
import type { Approving } from './approval-memory.ts';
import { factsOf, removalOf } from './consent.ts';

const EVERY_MS = 1_000;

type WorkerParts = Recording &
  Approving &
  AuthenticatedRows &
  Pick<Backends, 'catalog' | 'targets'> &
  Pick<Work, 'log' | 'rotationsDue'>;

/**
 * Removes expired requests and ended elevations. An operator has no rights by them from the moment of their end. The worker records it, frees the
 * row, and ends the documents that were written under an elevation, all in one commit.
 */
export function approvalWorker(parts: WorkerParts): Worker {
  const actor = new SystemActor(parts, 'approvals');
  return new Worker('approvals', EVERY_MS, parts, async () => {
    const now = parts.clock.now();
    for (const approval of parts.approvals.all()) {
      if (approval.endsAt > now) continue;
      const cause = approval.state === 'pending' ? 'not_approved' : 'ended';
      const entry = { ...factsOf(approval), action: 'approval.expire', outcome: 'ok', cause };
      const removal = removalOf(approval);
      const ended = await planElevationEnd(parts, approval.id, (event) => actor.entry(event));
      await parts.store.commit({
        expect: [...removal.expect, ...ended.expect],
        writes: [...removal.writes, ...ended.writes],
        invalidates: [...removal.invalidates, ...ended.invalidates],
        entries: [actor.entry(entry as Recordable), ...ended.entries],
      });
      // A restored definition can bring its schedule back.
      if (ended.writes.length > 0) parts.rotationsDue.ring();
    }
  });
}
