import type { Broker } from '../broker.ts';
import { seen, type Finding } from '../survey.ts';
import { distance } from '../time.ts';

/** A run takes what is older than the time to keep: that much is late only if runs do not happen. */
const MOST_DUE = 100_000;
const FAILED = 'docs/operations.md, "A failed archive run"';

/** The last run of the archive, what it has not archived yet, and a place that cannot be reached. */
export async function archiveFindings(broker: Broker, now: number): Promise<readonly Finding[]> {
  const about = 'audit archive';
  const { place, keepDays = 0, truncation, run } = (await broker.call('readArchive')).body;
  if (place === undefined)
    return [{ about, state: 'ok', text: 'not configured: the store keeps the whole log' }];
  if (run?.state === 'failed') {
    const text = `${place}: the last run failed: ${run.error ?? 'unknown reason'}`;
    return [{ about, state: 'problem', text, cure: FAILED }];
  }
  const last =
    truncation === undefined
      ? 'nothing is archived yet'
      : `the last run was ${distance(Date.parse(truncation.time), now)}`;
  const due = await seen(
    async () =>
      (await broker.call('archiveAudit', { body: { reason: 'doctor', dryRun: true } })).body,
  );
  if ('unseen' in due) return [{ about, state: 'ok', text: `${place}: ${last}` }];
  const { total, limitedBy } = due.value;
  const text = `${place}: ${last}; ${total} entries are older than ${keepDays} days`;
  if (limitedBy === 'sink')
    return [
      {
        ...{ about, state: 'warning', text: `${text}; a sink that lags keeps older ones` },
        cure: 'docs/audit.md, "Sinks"',
      },
    ];
  if (total <= MOST_DUE) return [{ about, state: 'ok', text }];
  const cure = 'set audit.archive.intervalHours, or run: quaymaster audit archive --reason TEXT';
  return [{ about, state: 'warning', text, cure }];
}
