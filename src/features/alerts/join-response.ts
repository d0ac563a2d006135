import { RESPONSE_ACTIONS } from '../../domain/alerts/response-rule.ts';
import { scopeFence, type NamedScope } from '../../domain/identity/quarantine.ts';
import type { Access, Storage } from '../../broker/state/dependencies.ts';
import { blockOf, openAlert, type AlertRecord, type AlertSubject } from './alert-record.ts';
import type { Alerting } from './alerting.ts';
import { quarantinesOf, type BegunResponse } from './respond.ts';

type Parts = Storage & Access & Alerting;

/** The most other rules that a response names. */
const MOST_RULES = 16;

/**
 * Finds the response that answers the alert already: it made the quarantine, or the suspension, of every scope that the alert would cut off. One attack on a
 * pod has one response, however many alerts it raises.
 */
export async function findAnswering(
  { store, quarantines }: Pick<Parts, 'store' | 'quarantines'>,
  { scopes, subject }: AlertRecord,
): Promise<AlertRecord | undefined> {
  const rows = scopes.map((scope) => quarantines.standing(fencesOf(scope, subject)));
  const id = rows[0]?.responseId;
  if (id === undefined || rows.includes(undefined)) return undefined;
  const row = await store.get('alerts', { id });
  const record = row && openAlert(row);
  return record?.state === 'dismissed' ? undefined : record;
}

/** A pod is also cut off by the quarantine of its workload. */
function fencesOf(scope: NamedScope, subject: AlertSubject | undefined): readonly string[] {
  const workload = scope.kind === 'pod' ? subject?.workload : undefined;
  return [scopeFence(scope), ...(workload === undefined ? [] : [`workload:${workload}`])];
}

/** Adds the alert to the response, which becomes as strong as the alert demands, and whose time begins again if it has an end. */
export function joinResponse(
  parts: Parts,
  before: AlertRecord,
  alert: AlertRecord,
): BegunResponse & { readonly before: AlertRecord } {
  const { response, rules = [], count = 1, state } = before;
  const rotate = alert.response.rotate === 'read' ? 'read' : response.rotate;
  const isMore = rotate !== response.rotate;
  const isOver = state === 'done' || state === 'contained';
  const { rule } = alert.alert;
  const isKnown = rule === before.alert.rule || rules.includes(rule) || rules.length >= MOST_RULES;
  const record: AlertRecord = {
    ...before,
    response: { ...response, rotate, action: stronger(response.action, alert.response.action) },
    count: count + 1,
    lastAt: alert.receivedAt,
    ...(!isKnown && { rules: [...rules, rule] }),
    // What was read is searched again, and rotated now.
    ...(isMore &&
      isOver && { state: 'contained', exposed: undefined, nextAttemptAt: alert.receivedAt }),
  };
  return { before, record, rows: extended(parts, record) };
}

function stronger(
  a: AlertRecord['response']['action'],
  b: AlertRecord['response']['action'],
): AlertRecord['response']['action'] {
  return RESPONSE_ACTIONS.indexOf(a) > RESPONSE_ACTIONS.indexOf(b) ? a : b;
}

/** The quarantines of a response that have an end, with a later one. */
function extended(parts: Parts, record: AlertRecord): BegunResponse['rows'] {
  const nothing = { expect: [], writes: [], invalidates: [] };
  const [own] = record.scopes;
  const standing = own && parts.quarantines.covering([scopeFence(own)]);
  if (standing?.endsAt === undefined || blockOf(record) === undefined) return nothing;
  const { expect, writes, invalidates } = quarantinesOf(parts, record);
  return { expect, writes, invalidates };
}
