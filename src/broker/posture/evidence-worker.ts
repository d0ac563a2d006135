import type { Recording, Work } from '../state/dependencies.ts';
import type { Posture } from '../../features/posture/judging.ts';
import { SystemActor } from '../recording/record.ts';
import { Worker } from '../kernel/worker.ts';
import { factsOf, removalOf } from '../../features/posture/evidence.ts';

type Parts = Recording & Pick<Posture, 'evidence' | 'reports'> & Pick<Work, 'log'>;

const EVERY_MS = 60 * 60_000;
const DAY_MS = 24 * EVERY_MS;
/** A pod may be scaled to nothing over a holiday: its next start must not wait for a scan of an image that did not change. */
const KEPT_MS = 30 * DAY_MS;

/**
 * Summarizes the rows of earlier releases, in the thread that reads reports. Marks evidence that pods with its image use, at most once a day, and removes evidence that no pod used for
 * 30 days.
 */
export function evidenceWorker(parts: Parts): Worker {
  const actor = new SystemActor(parts, 'evidence');
  return new Worker('evidence', EVERY_MS, parts, async (signal) => {
    const { store, evidence, clock } = parts;
    await summarizeEarlier(parts, signal);
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

/** An evaluation that needs such a row before summarizes it on the event loop: 40 ms for the largest one that a report of 1 MiB makes. */
async function summarizeEarlier(
  { store, evidence, reports, log }: Parts,
  signal: AbortSignal,
): Promise<void> {
  const work = { tenant: 'evidence', signal, spend: () => undefined };
  for (const row of evidence.unsummarized()) {
    if (signal.aborted) return;
    const { id } = row;
    try {
      const { body, count } = await reports.summarize(work, row);
      await store.commit({
        expect: [{ table: 'image_evidence', key: { id }, match: { received_at: row.received_at } }],
        writes: [{ table: 'image_evidence', key: { id }, change: { body, findings: count } }],
        invalidates: [`evidence:${id}`],
      });
    } catch (err) {
      log.warn({ err, evidence: id }, 'evidence of an earlier release could not be summarized now');
    }
  }
}
