import { ALERTS } from '../../ports/queries.ts';
import type { Tables } from '../../ports/tables.ts';
import type { Access, Recording, Work } from '../state/dependencies.ts';
import { alertRow, openAlert, unchanged, type AlertRecord } from '../../features/alerts/alert-record.ts';
import type { Alerting } from '../../features/alerts/alerting.ts';
import { findAnswering, joinResponse } from '../../features/alerts/join-response.ts';
import { suspendResponse } from '../../features/alerts/respond.ts';

type Parts = Recording & Access & Alerting & Pick<Work, 'log'>;

/** Waiting responses that one round looks at. */
const PAGE = 50;

/**
 * Suspends the scopes of responses that an earlier release left waiting, and merges those of one scope: that release had a row for each alert, and let the
 * scopes read on. The returned function does a part of the work in each call, and nothing once it is done.
 */
export function adoptPending(parts: Parts): () => Promise<void> {
  let after: Tables['alerts'] | undefined;
  let isDone = false;
  return async () => {
    if (isDone) return;
    const rows = await parts.store.list(ALERTS.inState('pending'), { limit: PAGE, after });
    for (const row of rows) await adopt(parts, openAlert(row));
    after = rows.at(-1);
    isDone = rows.length < PAGE;
  };
}

async function adopt(parts: Parts, record: AlertRecord): Promise<void> {
  const { suspensions, scopes, id } = record;
  if (suspensions !== undefined || scopes.length === 0) return;
  const answering = await findAnswering(parts, record);
  if (answering !== undefined && answering.id !== id) {
    const { before, record: joined, rows } = joinResponse(parts, answering, record);
    await parts.store.commit({
      expect: [unchanged(record), unchanged(before), ...rows.expect],
      writes: [
        { table: 'alerts', put: alertRow(joined) },
        { table: 'alerts', remove: { id } },
        ...rows.writes,
      ],
      invalidates: rows.invalidates,
    });
    return;
  }
  const suspended = suspendResponse(parts, record, []);
  if (suspended === undefined) return;
  const { rows } = suspended;
  const { seq } = await parts.store
    .commit({
      ...rows,
      expect: [unchanged(record), ...rows.expect],
      writes: [{ table: 'alerts', put: alertRow(suspended.record) }, ...rows.writes],
    })
    .then((outcome) => (outcome.status === 'committed' ? outcome : { seq: 0 }));
  // The next response may be of the same scope.
  if (seq > 0) await parts.state.waitForChange(seq);
}
