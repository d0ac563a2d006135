import type { Alert } from '../../domain/alerts/alert.ts';
import { BrokerError } from '../../domain/errors.ts';
import { scopeFence } from '../../domain/identity/quarantine.ts';
import { sha256Hex } from '../../crypto/hashes/digest.ts';
import type { AlertSource } from '../../ports/alert-sources.ts';
import type { Call } from '../../broker/access/call.ts';
import type { Access, Recordable, Recording, Work } from '../../broker/state/dependencies.ts';
import { commitDecided, SystemActor, type Attempt } from '../../broker/recording/record.ts';
import { factsOf } from '../../broker/sessions/quarantines.ts';
import type { AlertOutcome, ArrivingAlert, TakenAlert } from './alert-floods.ts';
import {
  alertAnnounced,
  alertRow,
  creatorOf,
  DECOY,
  POSTURE,
  unchanged,
  type AlertRecord,
} from './alert-record.ts';
import type { Alerting } from './alerting.ts';
import type { Enforcing } from './enforcement.ts';
import { postureOf } from './incident-context.ts';
import { findAnswering, joinResponse } from './join-response.ts';
import {
  beginResponse,
  decideResponse,
  goneSubject,
  limitFence,
  NO_ROWS,
  RESPONSE_RULES,
  ruleOf,
  subjectFor,
  type BegunResponse,
  type Raised,
} from './respond.ts';

type Judging = Pick<Access, 'clusters'> & Partial<Enforcing>;
type Parts = Recording & Access & Alerting & Pick<Work, 'log'> & Partial<Enforcing>;

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
export async function raiseSent(
  parts: Parts,
  sent: Pick<Raised, 'source' | 'cluster' | 'alert'>,
  call?: Pick<Call, 'requestId' | 'client'>,
): Promise<AlertOutcome> {
  const { source, alert } = sent;
  const found = subjectFor(parts, sent);
  const subject = 'subject' in found ? undefined : await goneSubject(parts, sent, found.unmatched);
  const uid = 'subject' in found ? found.subject.uid : subject?.uid;
  return raiseAlert(parts, { ...sent, subject, id: alertId(source, alert, uid) }, call);
}

/**
 * Takes an alert and begins the response to it, or counts it with the alert or the response that it repeats. Without a call, the broker itself raised it:
 * such an alert has its own identity, and is never counted with another one.
 */
export async function raiseAlert(
  parts: Parts,
  raised: Raised,
  call?: Pick<Call, 'requestId' | 'client'>,
): Promise<AlertOutcome> {
  const { source } = raised;
  const outcome = await takeAlert(parts, raised, call).catch((error: unknown) => {
    parts.alertTallies.count(source, 'refused');
    throw error;
  });
  parts.alertTallies.count(source, outcome);
  return outcome;
}

async function takeAlert(
  parts: Parts,
  raised: Raised,
  call: Pick<Call, 'requestId' | 'client'> | undefined,
): Promise<AlertOutcome> {
  const { floods, turns } = parts.alertTallies;
  const { id, source, otherwise, alert } = raised;
  const found = subjectFor(parts, raised);
  const namespace = 'subject' in found ? found.subject.namespace : undefined;
  const rule = namespace === undefined ? undefined : ruleOf(parts, raised, namespace);
  const answers = ((rule?.spec ?? otherwise)?.action ?? 'audit') !== 'audit';
  const keep = (): Promise<TakenAlert> => keepAlert(parts, raised, call);
  const first = answers ? (): Promise<TakenAlert> => turns.run(source, keep) : keep;
  if (otherwise !== undefined) return (await first()).outcome;
  const { pod, container } = alert;
  const about = [source, pod.uid, container.id, pod.namespace, pod.name];
  const uid = 'subject' in found ? found.subject.uid : undefined;
  const arriving: ArrivingAlert = {
    id,
    key: JSON.stringify([alert.rule, ...about]),
    pod: JSON.stringify(about),
    basis: (taken) => basisOf(parts, { uid, rule, row: taken.row }),
  };
  return (answers ? undefined : floods.crowd(arriving)) ?? floods.take(arriving, first);
}

/** Names the pod, the response rule and the quarantine, which may be lifted meanwhile: an alert and its repeat must have them in common. */
function basisOf({ quarantines }: Pick<Access, 'quarantines'>, { uid, rule, row }: Basis): string {
  const standing = row && quarantines.standing([row])?.id;
  return JSON.stringify([uid, rule?.name, rule?.version, standing]);
}

interface Basis {
  readonly uid: string | undefined;
  readonly rule: { readonly name: string; readonly version: number } | undefined;
  /** The fence of the response's own scope. */
  readonly row: string | undefined;
}

/** Tries of a commit that other brokers overtake: an alert must not be lost because many arrive at once. */
const TRIES = 5;

async function keepAlert(
  parts: Parts,
  raised: Raised,
  call: Pick<Call, 'requestId' | 'client'> | undefined,
): Promise<TakenAlert> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await commitDecided(parts, (decidedAt) =>
        attemptOf(parts, raised, { decidedAt, call }),
      );
    } catch (error) {
      const isBusy = error instanceof BrokerError && error.code === 'ERR_BUSY';
      if (!isBusy || tries === TRIES) throw error;
    }
  }
}

async function attemptOf(
  parts: Parts,
  raised: Raised,
  {
    decidedAt,
    call,
  }: {
    readonly decidedAt: number;
    readonly call: Pick<Call, 'requestId' | 'client'> | undefined;
  },
): Promise<Attempt<TakenAlert>> {
  const { id, source } = raised;
  const actor = new SystemActor(parts, creatorOf(source));
  const known = await parts.store.get('alerts', { id });
  if (known !== undefined)
    return { plan: undefined, settle: () => ({ id, outcome: 'repeated', basis: '' }) };
  const decided = withPosture(parts, await decideResponse(parts, raised));
  const isAnswered = decided.state === 'responding';
  const { before, record, rows } = isAnswered
    ? await answer(parts, raised, decided)
    : { record: decided, rows: NO_ROWS };
  const isBegun = record.state === 'responding' && before === undefined;
  const entries =
    before === undefined ? entriesOf(record) : [joinedEntry({ id: before.id }, decided)];
  return {
    plan: {
      decidedAt,
      // An alert that is only recorded depends on no limit: many can be kept at once.
      reads: isAnswered ? [RESPONSE_RULES, limitFence(source)] : [RESPONSE_RULES],
      expect: [
        before === undefined ? { table: 'alerts', key: { id }, absent: true } : unchanged(before),
        ...rows.expect,
      ],
      writes: [{ table: 'alerts', put: alertRow(record) }, ...rows.writes],
      invalidates: [
        ...rows.invalidates,
        ...(isBegun ? [limitFence(source)] : []),
        ...alertAnnounced(record),
      ],
      urgent: true,
      entries: entries.map((event) =>
        actor.entry({ ...event, ...(call && { client: call.client }) }, call?.requestId),
      ),
    },
    settle: () => {
      if (before === undefined) page(parts, record);
      const [own] = record.scopes;
      const row = isAnswered && own !== undefined ? scopeFence(own) : undefined;
      const basis = basisOf(parts, { uid: decided.subject?.uid, rule: decided.rule, row });
      const outcome = before === undefined ? (record.state as AlertOutcome) : 'joined';
      return { id: record.id, outcome, basis, ...(row !== undefined && { row }) };
    },
  };
}

/** Adds the state of the pod at this moment, which people compare with its state later. */
export function withPosture(parts: Judging, record: AlertRecord): AlertRecord {
  const { cluster, subject } = record;
  const posture = subject && postureOf(parts, { cluster, uid: subject.uid });
  return posture === undefined ? record : { ...record, posture };
}

/**
 * Joins the response that answers the alert already, or begins one. An alert of the broker itself has its own. A source at its limit suspends only: that
 * must not keep another source, which has room, from cutting the scope off.
 */
async function answer(
  parts: Parts,
  { otherwise }: Raised,
  decided: AlertRecord,
): Promise<BegunResponse & { readonly before?: AlertRecord }> {
  const answering = otherwise === undefined ? await findAnswering(parts, decided) : undefined;
  if (answering === undefined) return beginResponse(parts, decided);
  if (answering.state === 'pending' && answering.source !== decided.source) {
    const begun = await beginResponse(parts, decided);
    if (begun.record.state === 'responding') return begun;
  }
  return joinResponse(parts, answering, decided);
}

/** Tells the operators in the log that a response waits for them. */
function page(
  { log }: Pick<Parts, 'log'>,
  { id, source, held, subject, suspensions }: AlertRecord,
): void {
  const facts = { alert: id, source, pod: subject?.uid };
  if (held === 'over_limit')
    log.error(
      { ...facts, suspended: suspensions?.length },
      'the source of an alert reached its limit: the scope gets no new secrets until an operator decides with quaymaster alert approve or alert dismiss',
    );
  if (held === 'no_room')
    log.error(
      facts,
      'an alert has no response: its source reached its limit, and there are as many suspensions as there may be; decide on those that wait (quaymaster alert ls --state pending)',
    );
}

function entriesOf(record: AlertRecord): readonly Recordable[] {
  return [
    { action: 'alert.receive', outcome: 'ok', ...factsOfAlert(record) },
    ...quarantineEvents(record),
  ];
}

/** An alert that joins another response: its own facts, under the id of that one. */
function joinedEntry({ id }: Pick<AlertRecord, 'id'>, decided: AlertRecord): Recordable {
  const facts = { ...factsOfAlert(decided), alert: id, cause: 'joined' };
  return { action: 'alert.receive', outcome: 'ok', ...facts };
}

/** The quarantines of a response, or its suspensions, for the log. */
export function quarantineEvents(record: AlertRecord): readonly Recordable[] {
  const { id: alert, scopes, quarantines, suspensions = [] } = record;
  const isPending = record.state === 'pending';
  return (isPending ? suspensions : quarantines).map((quarantine, index) => {
    const scope = scopes[index];
    const facts = scope === undefined ? {} : factsOf(scope);
    const made = { alert, quarantine, ...facts, ...(isPending && { cause: 'suspended' }) };
    return { action: 'quarantine.create', outcome: 'ok', ...made };
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
