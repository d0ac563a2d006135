import type { Alert } from '../../domain/alerts/alert.ts';
import { BrokerError } from '../../domain/errors.ts';
import { sha256Hex } from '../../crypto/hashes/digest.ts';
import type { AlertSource } from '../../ports/alert-sources.ts';
import type { Call } from '../access/call.ts';
import type { Alerting } from './alerting.ts';
import type { Access, Recordable, Recording } from '../state/dependencies.ts';
import { commitDecided, SystemActor, type Attempt } from '../recording/record.ts';
import { factsOf } from '../sessions/quarantines.ts';
import { alertRow, type AlertRecord } from './alert-record.ts';
import type { AlertOutcome } from './alert-tallies.ts';
import {
  creatorOf,
  decideResponse,
  limitFence,
  matchedUid,
  quarantinesOf,
  RESPONSE_RULES,
  type Raised,
} from './respond.ts';

type Parts = Recording & Access & Alerting;

/** The source of alerts about pods that stop meeting a posture profile. */
export const POSTURE = 'posture';
/** The source of alerts about reads of decoys. */
export const DECOY = 'decoy';

/** Counts of the alerts of one request, by outcome. */
export interface Received {
  readonly accepted: number;
  /** Number of alerts that were delivered before. */
  readonly repeated: number;
}

/**
 * Keeps each alert with its audit entry, and begins the response to it: a quarantine commits together with the alert, so that no read of the pod commits
 * after the source got its answer. A held broker serves no reads: it keeps the alerts outside the store, and takes them before it serves again.
 */
export async function receiveAlerts(
  parts: Parts,
  call: Call,
  source: AlertSource,
  alerts: readonly Alert[],
): Promise<Received> {
  const { name } = source;
  const outcomes = await Promise.all(
    alerts.map((alert) =>
      raiseSent(parts, { source: name, cluster: source.clusterOf(alert.cluster), alert }, call),
    ),
  ).catch(async (error: unknown): Promise<readonly AlertOutcome[]> => {
    if (!(error instanceof BrokerError) || error.code !== 'ERR_HELD') throw error;
    const byCluster = Map.groupBy(alerts, (alert) => source.clusterOf(alert.cluster));
    for (const [cluster, own] of byCluster)
      await parts.heldAlerts.keep({ source: name, cluster, alerts: own });
    return alerts.map(() => 'kept');
  });
  const repeated = outcomes.filter((outcome) => outcome === 'repeated').length;
  return { accepted: outcomes.length - repeated, repeated };
}

/** Raises an alert that a source sent. */
export function raiseSent(
  parts: Parts,
  sent: Pick<Raised, 'source' | 'cluster' | 'alert'>,
  call?: Pick<Call, 'requestId' | 'client'>,
): Promise<AlertOutcome> {
  const { source, alert } = sent;
  return raiseAlert(parts, { ...sent, id: alertId(source, alert, matchedUid(parts, sent)) }, call);
}

/** Keeps an alert and begins the response to it. Without a call, the broker itself raised it. */
export async function raiseAlert(
  parts: Parts,
  raised: Raised,
  call?: Pick<Call, 'requestId' | 'client'>,
): Promise<AlertOutcome> {
  const { id, source } = raised;
  const actor = new SystemActor(parts, creatorOf(source));
  const outcome = await commitDecided(parts, async (decidedAt): Promise<Attempt<AlertOutcome>> => {
    const known = await parts.store.get('alerts', { id });
    if (known !== undefined) return { plan: undefined, settle: () => 'repeated' };
    const decided = await decideResponse(parts, raised);
    const { ids, ...quarantined } =
      decided.state === 'responding'
        ? quarantinesOf(parts, decided)
        : quarantinesOf(parts, {
            ...decided,
            scopes: [],
          });
    const record = { ...decided, quarantines: ids };
    return {
      plan: {
        decidedAt,
        reads: [RESPONSE_RULES, limitFence(source)],
        expect: [{ table: 'alerts', key: { id }, absent: true }, ...quarantined.expect],
        writes: [{ table: 'alerts', put: alertRow(record) }, ...quarantined.writes],
        invalidates: [
          ...quarantined.invalidates,
          ...(record.state === 'responding' ? [limitFence(source)] : []),
        ],
        urgent: true,
        entries: entriesOf(record).map((event) =>
          actor.entry({ ...event, ...(call && { client: call.client }) }, call?.requestId),
        ),
      },
      settle: () => record.state as AlertOutcome,
    };
  });
  parts.alertTallies.count(source, outcome);
  if (outcome === 'responding') parts.alertTallies.done(`revoke ${source}`);
  return outcome;
}

function entriesOf(record: AlertRecord): readonly Recordable[] {
  return [
    { action: 'alert.receive', outcome: 'ok', ...factsOfAlert(record) },
    ...quarantineEvents(record),
  ];
}

/** The quarantines of a response, for the log. */
export function quarantineEvents({
  id: alert,
  scopes,
  quarantines,
}: AlertRecord): readonly Recordable[] {
  return quarantines.map((quarantine, index) => {
    const scope = scopes[index];
    const facts = scope === undefined ? {} : factsOf(scope);
    return { action: 'quarantine.create', outcome: 'ok', alert, quarantine, ...facts };
  });
}

/** An alert in the form for audit entries. */
export function factsOfAlert(record: AlertRecord): {
  readonly alert: string;
  readonly query: string;
  readonly cause: string;
  readonly path?: string | undefined;
  readonly posture?: string | undefined;
  readonly workload?: string | undefined;
  readonly pod?: { cluster: string; namespace: string; name: string; uid: string };
} {
  const { id, source, cluster, alert, subject, state, held, unmatched, response } = record;
  const query = `source=${source} priority=${alert.priority} rule=${alert.rule}`;
  const cause = held ?? unmatched ?? (state === 'responding' ? response.action : 'audit');
  const facts = {
    alert: id,
    query,
    cause,
    ...(source === DECOY && { path: alert.rule }),
    ...(source === POSTURE && { posture: `${alert.rule}: ${alert.tags.join(', ')}` }),
  };
  if (subject === undefined) return facts;
  const { workload, namespace, name, uid } = subject;
  return { ...facts, workload, pod: { cluster, namespace, name, uid } };
}

/**
 * Derives the id of an alert. The same event has the same id, however often it is delivered; a new delivery has another `uuid`,
 * which is not part of it. The pod that the broker matched is: the client of an audited request chooses its id, and would otherwise
 * make an alert about a new pod look like one about an earlier pod of the same name.
 */
export function alertId(source: string, alert: Alert, matched: string | undefined): string {
  const { rule, instance, cluster, node, container, pod } = alert;
  const { namespace, name: podName, uid } = pod;
  const named = [cluster, node, container.id, namespace, podName, uid];
  const parts = [source, rule, instance, ...named, matched];
  return `alr_${sha256Hex(JSON.stringify(parts)).slice(0, 32)}`;
}
