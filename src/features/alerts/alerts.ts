import { BrokerError } from '../../domain/errors.ts';
import type { Page, PageRequest } from '../../domain/page.ts';
import { ALERTS } from '../../ports/queries.ts';
import type { Tables } from '../../ports/tables.ts';
import type { Call } from '../../broker/access/call.ts';
import { decodeCursor, encodeCursor } from '../../broker/state/cursor.ts';
import type { Alerting } from './alerting.ts';
import type { Access, Keys, Recording, Storage } from '../../broker/state/dependencies.ts';
import { recordFailure, recordOperation, requireRole } from '../../broker/recording/operation.ts';
import { commitAs, entryOf, type Attempt } from '../../broker/recording/record.ts';
import { removal, requireOtherAdmin } from '../../broker/sessions/quarantines.ts';
import type { LiveOperator } from '../../broker/state/operator-token-memory.ts';
import {
  alertAnnounced,
  alertRow,
  blockOf,
  openAlert,
  unchanged,
  type AlertRecord,
} from './alert-record.ts';
import { factsOfAlert, quarantineEvents } from './receive-alerts.ts';
import { limitOf, type LimitUse } from './response-limits.ts';
import { quarantinesOf, type BegunResponse } from './respond.ts';

const LIST = 'alerts';
type Position = Pick<Tables['alerts'], 'id' | 'received_at'>;

/** Lists kept alerts, newest first. @throws ERR_DENIED */
export async function listAlerts(
  parts: Recording & Access & Pick<Keys, 'keyring'>,
  call: Call,
  live: LiveOperator,
  {
    state,
    page,
  }: { readonly state?: AlertRecord['state'] | undefined; readonly page: PageRequest },
): Promise<Page<AlertRecord>> {
  const acting = { parts, call, caller: live };
  return recordOperation(acting, { action: 'alert.list' }, async (operator) => {
    requireRole(operator, 'responder', 'auditor');
    const after = decodeCursor(parts, LIST, page.after) as Position | undefined;
    const query = state === undefined ? ALERTS.newest() : ALERTS.newestInState(state);
    const rows = await parts.store.list(query, { limit: page.limit, after });
    const last = rows.at(-1);
    const isMore = last !== undefined && rows.length === page.limit;
    const next = isMore ? { id: last.id, received_at: last.received_at } : undefined;
    return {
      items: rows.map(openAlert),
      ...(next && { next: encodeCursor(parts, LIST, next) }),
    };
  });
}

/** The alert with this id. @throws ERR_NOT_FOUND */
export async function findAlert(
  { store }: Pick<Storage, 'store'>,
  id: string,
): Promise<AlertRecord> {
  const row = await store.get('alerts', { id });
  if (row === undefined) throw new BrokerError('ERR_NOT_FOUND');
  return openAlert(row);
}

/**
 * Begins the response that waits for an operator, or ends its waiting without one. Its quarantines commit together with the approval. A response that searches
 * again and again, because the log is not complete, ends when an operator dismisses it: its quarantine stays.
 * @throws ERR_DENIED, ERR_NOT_FOUND, ERR_CONFLICT
 */
export async function decideAlert(
  parts: Recording & Access & Alerting,
  call: Call,
  live: LiveOperator,
  {
    id,
    approves,
    reason,
  }: { readonly id: string; readonly approves: boolean; readonly reason?: string | undefined },
): Promise<AlertRecord> {
  const action = approves ? 'alert.approve' : 'alert.dismiss';
  const described = { action, alert: id, comment: reason } as const;
  return commitAs(parts, live, async (decidedAt, operator): Promise<Attempt<AlertRecord>> => {
    requireRole(operator, 'responder');
    const found = await findAlert(parts, id);
    const isTakenOver = !approves && found.state === 'contained' && found.held === 'incomplete';
    if (found.state !== 'pending' && !isTakenOver) {
      const detail = `the response to this alert does not wait for an operator: its state is ${found.state}`;
      throw new BrokerError('ERR_CONFLICT', detail);
    }
    const { name } = operator.operator;
    const by = { operator: name, ...(reason && { reason }) };
    const { record: decided, rows } = approves
      ? approved(parts, { ...found, ...by })
      : dismissed(parts, { ...found, ...by });
    const entry = { ...factsOfAlert(decided), ...described, outcome: 'ok' } as const;
    return {
      plan: {
        decidedAt,
        reads: operator.fences,
        notAfter: operator.operator.endsAt,
        expect: [unchanged(found), ...rows.expect],
        writes: [{ table: 'alerts', put: alertRow(decided) }, ...rows.writes],
        invalidates: [...rows.invalidates, ...alertAnnounced(decided)],
        urgent: true,
        entries: [entry, ...(approves ? quarantineEvents(decided) : [])].map((event) =>
          entryOf(parts, call, operator, event),
        ),
      },
      settle: () => decided,
    };
  }).catch((error: unknown) => recordFailure({ parts, call, caller: live }, [described], error));
}

/** The response begins: its quarantines replace the suspensions. No limit holds for the decision of an operator. */
function approved(parts: Access & Alerting & Storage, found: AlertRecord): BegunResponse {
  for (const { kind, subject } of found.scopes)
    if (kind === 'operator') requireOtherAdmin(parts, subject);
  const wish: AlertRecord = { ...found, state: 'responding', held: undefined };
  const { ids, ...rows } = quarantinesOf(parts, wish);
  const endedAt = blockOf(wish) === undefined ? parts.clock.now() : undefined;
  return { record: { ...wish, quarantines: ids, endedAt }, rows };
}

/** The suspensions end. Those that an operator has replaced by a quarantine stay. */
function dismissed({ quarantines }: Access, found: AlertRecord): BegunResponse {
  const { suspensions = [], ...record } = found;
  const rows = quarantines
    .all()
    .filter(({ id, mode }) => mode === 'suspended' && suspensions.includes(id))
    .map(removal);
  return {
    record: { ...record, suspensions, state: 'dismissed', nextAttemptAt: undefined },
    rows: {
      expect: rows.flatMap(({ expect }) => expect),
      writes: rows.flatMap(({ writes }) => writes),
      invalidates: rows.flatMap(({ invalidates }) => invalidates),
    },
  };
}

/** Source of the configuration, and the counts of this process. */
export interface AlertSourceStatus {
  readonly name: string;
  readonly format: string;
  readonly clusters: readonly string[];
  readonly lastAt: number | undefined;
  /** The pods of each cluster that its alerts cut off, and how many they may. */
  readonly limits: readonly (LimitUse & { readonly cluster: string })[];
}

/** @throws ERR_DENIED */
export async function listAlertSources(
  parts: Recording & Access & Alerting,
  call: Call,
  live: LiveOperator,
): Promise<readonly AlertSourceStatus[]> {
  const { alertSources, alertTallies } = parts;
  const acting = { parts, call, caller: live };
  return recordOperation(acting, { action: 'alert.list' }, async (operator) => {
    requireRole(operator, 'responder', 'auditor');
    const statuses: AlertSourceStatus[] = [];
    for (const name of alertSources.names) {
      const { format, clusters } = alertSources.find(name) ?? {};
      if (format === undefined || clusters === undefined) continue;
      const limits: AlertSourceStatus['limits'][number][] = [];
      for (const cluster of clusters)
        limits.push({ cluster, ...(await limitOf(parts, name, cluster)) });
      statuses.push({ name, format, clusters, limits, lastAt: alertTallies.lastAt(name) });
    }
    return statuses;
  });
}
