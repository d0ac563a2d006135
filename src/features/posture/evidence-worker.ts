import type { Recording, Work } from '../../broker/state/dependencies.ts';
import type { Posture } from './judging.ts';
import { SystemActor } from '../../broker/recording/record.ts';
import { Worker } from '../../broker/kernel/worker.ts';
import { factsOf, removalOf } from './evidence.ts';

type Parts = Recording & Pick<Posture, 'evidence'> & Pick<Work, 'log'>;

const EVERY_MS = 60 * 60_000;
const DAY_MS = 24 * EVERY_MS;
/** A pod may be scaled to nothing over a holiday: its next start must not wait for a scan of an image that did not change. */
const KEPT_MS = 30 * DAY_MS;

/**
 * Marks evidence that pods with its image use, at most once a day, and removes evidence that no pod used for
 * 30 days.
 */
export function evidenceWorker(parts: Parts): Worker {
  const actor = new SystemActor(parts, 'evidence');
  return new Worker('evidence', EVERY_MS, parts, async () => {
    const { store, evidence, clock } = parts;
    const now = clock.now();
    for (const id of evidence.takeUsed(now - DAY_MS)) {
      await store.commit({
        writes: [{ table: 'image_evidence', key: { id }, change: { seen_at: now } }],
        invalidates: [`evidence:${id}`],
      });
    }
    for (const unused of evidence.unusedSince(now - KEPT_MS)) {
      const facts = { ...factsOf(unused), cause: 'unused' };
      await store.commit({
        ...removalOf(unused),
        entries: [actor.entry({ action: 'evidence.delete', outcome: 'ok', ...facts })],
      });
    }
  });
}
