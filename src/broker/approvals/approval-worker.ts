import type { Approving } from './approval-memory.ts';
import type { Recordable, Recording, Work } from '../state/dependencies.ts';
import { SystemActor } from '../recording/record.ts';
import { Worker } from '../kernel/worker.ts';
import { factsOf, removalOf } from './consent.ts';

const EVERY_MS = 1_000;

/** Removes expired requests and ended elevations. They have no effect from the moment of their end: the worker records it and frees the row. */
export function approvalWorker(parts: Recording & Approving & Pick<Work, 'log'>): Worker {
  const actor = new SystemActor(parts, 'approvals');
  return new Worker('approvals', EVERY_MS, parts, async () => {
    const now = parts.clock.now();
    for (const approval of parts.approvals.all()) {
      if (approval.endsAt > now) continue;
      const cause = approval.state === 'pending' ? 'not_approved' : 'ended';
      const entry = { ...factsOf(approval), action: 'approval.expire', outcome: 'ok', cause };
      await parts.store.commit({
        ...removalOf(approval),
        entries: [actor.entry(entry as Recordable)],
      });
    }
  });
}
