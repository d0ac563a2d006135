import type { Alert } from '../../domain/alerts/alert.ts';
import type { Unmatched } from '../../domain/alerts/match-pod.ts';
import type { ResponseRuleSpec } from '../../domain/alerts/response-rule.ts';
import type { NamedScope } from '../../domain/identity/quarantine.ts';
import type { Expectation } from '../../ports/store.ts';
import type { Tables } from '../../ports/tables.ts';
import type { Storage } from '../../broker/state/dependencies.ts';
import type { Ended } from '../../broker/sessions/end-selected.ts';

/** The source of alerts about pods that stop meeting a posture profile. */
export const POSTURE = 'posture';
/** The source of alerts about reads of decoys. */
export const DECOY = 'decoy';

/** A response that revokes keeps its scope out for this long: the pod has its token, and would log in again within milliseconds. */
const BLOCK_SECONDS = 600;

/** The pod that an alert is about. */
export interface AlertSubject {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  /** Workload, `k8s://…`; undefined if the pod object was not complete. */
  readonly workload: string | undefined;
}

/** The state of a pod at a time. */
export interface PodPosture {
  readonly state: string;
  readonly images: readonly {
    readonly container: string;
    readonly image: string;
    readonly digest?: string | undefined;
  }[];
  /** Number of containers that are not named. */
  readonly omitted?: number | undefined;
  /** Names of debug containers. */
  readonly ephemeral: readonly string[];
  /** Enforced profiles that the pod does not meet. */
  readonly violations: readonly { readonly profile: string; readonly codes: readonly string[] }[];
}

/** All pods that have one of these traits and had a session, as `seen_pods` has them: pods of an image or a node, also those that are gone. */
export interface Extent {
  readonly cluster: string;
  readonly traits: readonly string[];
}

/** Secret that the subject had read, and the reaction to it. */
export interface ExposedSecret {
  readonly path: string;
  readonly versions: readonly string[];
  /** The rotation that replaces it. */
  readonly rotation?: string | undefined;
  /** Time at which the response started it; undefined if another one did. */
  readonly rotatedAt?: number | undefined;
  /** Time at which the scope last read the secret. */
  readonly lastAt?: number | undefined;
  /** Reason why there is no rotation. */
  readonly unrotated?: 'not_rotating' | 'braked' | undefined;
}

/** A row of `alerts`, opened. */
export interface AlertRecord {
  readonly id: string;
  readonly source: string;
  readonly state: Tables['alerts']['state'];
  readonly receivedAt: number;
  readonly cluster: string;
  readonly alert: Pick<Alert, 'rule' | 'tags' | 'priority' | 'node' | 'container'> & {
    readonly time?: number | undefined;
  };
  readonly subject?: AlertSubject | undefined;
  /** The state of the pod when the alert came or the incident was opened. */
  readonly posture?: PodPosture | undefined;
  readonly unmatched?: Unmatched | undefined;
  /** The response rule that matched. */
  readonly rule?: { readonly name: string; readonly version: number } | undefined;
  readonly response: Pick<ResponseRuleSpec, 'action' | 'rotate'> & {
    /** Incidents have more scopes than rules. */
    readonly scope: ResponseRuleSpec['scope'] | 'node' | 'operator';
  };
  /** Scopes that the response blocks; each gets a quarantine, or loses its sessions. */
  readonly scopes: readonly NamedScope[];
  /**
   * Reason why the response does less than the rule demands. `no_room`: over the limit, and there are as many suspensions as there may be. `incomplete`: the
   * log could not be read to its beginning, so that more may have been read than the response rotates.
   */
  readonly held?: 'protected' | 'over_limit' | 'no_room' | 'incomplete' | undefined;
  readonly quarantines: readonly string[];
  /** Pods outside the scopes whose reads count too, also if they are gone. */
  readonly extent?: Extent | undefined;
  /** The suspensions of a response that waits for an operator. */
  readonly suspensions?: readonly string[] | undefined;
  /** Number of alerts that it stands for, if more than one. */
  readonly count?: number | undefined;
  /** Time at which the last of them was received. */
  readonly lastAt?: number | undefined;
  /** The other rules of those alerts. */
  readonly rules?: readonly string[] | undefined;
  readonly ended?: Ended | undefined;
  /** Secrets that the scopes read; undefined until the log was searched. */
  readonly exposed?: readonly ExposedSecret[] | undefined;
  /** Reads before this time do not count as exposed. */
  readonly since: number;
  /** Time at which the rotations continue. */
  readonly nextAttemptAt?: number | undefined;
  /** Time at which the response ended sessions without a quarantine. */
  readonly endedAt?: number | undefined;
  /** Time at which the response last started a rotation. */
  readonly rotatedAt?: number | undefined;
  readonly reason?: string | undefined;
  /** The operator that approved, dismissed or opened it. */
  readonly operator?: string | undefined;
}

/** Names the creator of quarantines that alerts cause. */
export function creatorOf(source: string): string {
  return `alerts/${source}`;
}

/** The time for which the response refuses everything to its scopes; undefined if it only ends what they hold. */
export function blockOf({
  source,
  rule,
  response: { action },
}: Pick<AlertRecord, 'source' | 'rule' | 'response'>):
  | { readonly seconds: number | undefined }
  | undefined {
  if (action === 'quarantine') return { seconds: undefined };
  // The profile itself refuses what it covers, until the pod meets it again.
  if (action !== 'revoke' || (source === POSTURE && rule === undefined)) return undefined;
  return { seconds: BLOCK_SECONDS };
}

export function openAlert(row: Tables['alerts']): AlertRecord {
  const { id, source, state, received_at: receivedAt, body } = row;
  return {
    ...(JSON.parse(body) as AlertRecord),
    id,
    source,
    state,
    receivedAt,
    nextAttemptAt: row.next_attempt_at ?? undefined,
    endedAt: row.ended_at ?? undefined,
    rotatedAt: row.rotated_at ?? undefined,
  };
}

export function alertRow({
  id,
  source,
  state,
  receivedAt,
  nextAttemptAt,
  endedAt,
  rotatedAt,
  ...body
}: AlertRecord): Tables['alerts'] {
  return {
    id,
    source,
    state,
    received_at: receivedAt,
    body: JSON.stringify(body),
    mac: null,
    namespace: body.subject?.namespace ?? null,
    next_attempt_at: nextAttemptAt ?? null,
    ended_at: endedAt ?? null,
    rotated_at: rotatedAt ?? null,
  };
}

/** Announces to operators a response that began, waits or continues. Alerts that are only recorded come in floods, and are not announced. */
export function alertAnnounced({ id, state }: AlertRecord): readonly string[] {
  return state === 'kept' || state === 'unmatched' ? [] : [`alert:${id}`];
}

/** Expects that no other commit changed the record meanwhile. */
export function unchanged(record: AlertRecord): Expectation<'alerts'> {
  const { id, body, state, next_attempt_at } = alertRow(record);
  return { table: 'alerts', key: { id }, match: { body, state, next_attempt_at } };
}

const TRIES = 10;

/**
 * Changes a record as it is now: alerts that join it, and the passes of the response, change it at the same time. Undefined if it is gone, if `change` returns
 * nothing, or if others keep changing it.
 */
export async function updateAlert(
  { store }: Pick<Storage, 'store'>,
  id: string,
  change: (current: AlertRecord) => AlertRecord | undefined,
  entries: (next: AlertRecord) => readonly string[] = () => [],
): Promise<AlertRecord | undefined> {
  for (let tries = 0; tries < TRIES; tries += 1) {
    const row = await store.get('alerts', { id });
    const current = row && openAlert(row);
    const next = current && change(current);
    if (current === undefined || next === undefined) return undefined;
    const { status } = await store.commit({
      expect: [unchanged(current)],
      writes: [{ table: 'alerts', put: alertRow(next) }],
      invalidates: alertAnnounced(next),
      entries: entries(next),
    });
    if (status === 'committed') return next;
  }
  return undefined;
}
