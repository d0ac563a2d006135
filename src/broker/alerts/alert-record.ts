import type { Alert } from '../../domain/alerts/alert.ts';
import type { Unmatched } from '../../domain/alerts/match-pod.ts';
import type { ResponseRuleSpec } from '../../domain/alerts/response-rule.ts';
import type { NamedScope } from '../../domain/identity/quarantine.ts';
import type { Tables } from '../../ports/tables.ts';
import type { Ended } from '../sessions/end-selected.ts';

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
  /** Names of debug containers. */
  readonly ephemeral: readonly string[];
  /** Enforced profiles that the pod does not meet. */
  readonly violations: readonly { readonly profile: string; readonly codes: readonly string[] }[];
}

/** Secret that the subject had read, and the reaction to it. */
export interface ExposedSecret {
  readonly path: string;
  readonly versions: readonly string[];
  /** The rotation that replaces it. */
  readonly rotation?: string | undefined;
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
  /** The state of the pod when the incident was opened. */
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
  /** Reason why the response does less than the rule demands. */
  readonly held?: 'protected' | 'over_limit' | undefined;
  readonly quarantines: readonly string[];
  readonly ended?: Ended | undefined;
  /** Secrets that the scopes read; undefined until the log was searched. */
  readonly exposed?: readonly ExposedSecret[] | undefined;
  /** Reads before this time do not count as exposed. */
  readonly since: number;
  readonly reason?: string | undefined;
  /** The operator that approved, dismissed or opened it. */
  readonly operator?: string | undefined;
}

export function openAlert({ id, source, state, received_at, body }: Tables['alerts']): AlertRecord {
  return { ...(JSON.parse(body) as AlertRecord), id, source, state, receivedAt: received_at };
}

export function alertRow({
  id,
  source,
  state,
  receivedAt,
  ...body
}: AlertRecord): Tables['alerts'] {
  const text = JSON.stringify(body);
  return { id, source, state, received_at: receivedAt, body: text, mac: null };
}
