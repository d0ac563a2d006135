import type { PolicyReference } from '../../domain/audit/audit-actions.ts';
import { BrokerError } from '../../domain/errors.ts';
import type { Lease } from '../../domain/secrets/lease.ts';
import { workloadId } from '../../domain/identity/workload.ts';
import type { PodState } from '../../ports/pod-watch.ts';
import type { DynamicCredentials } from '../../ports/secret-provider.ts';
import type { Plan } from '../../ports/store.ts';
import type { Tables } from '../../ports/tables.ts';
import { hmac, sha256Hex } from '../../crypto/hashes/digest.ts';
import { randomId } from '../../crypto/random/random.ts';
import type { Call } from '../access/call.ts';
import { denied, refusalOf, judge } from '../access/judge.ts';
import { refuseSuspended } from '../access/suspension.ts';
import type {
  Access,
  Backends,
  Bounds,
  Keys,
  Recording,
  Rights,
  Values,
} from '../state/dependencies.ts';
import { entryOf } from '../recording/record.ts';
import { locatorAt, targetOf, type Target } from '../state/target.ts';
import type { LiveSession } from '../state/session-memory.ts';
import type { Value } from '../state/value-cache.ts';

/** An order older than this is abandoned: the process that issued its credential died. */
export const FILLED_MS = 120_000;

export interface CredentialOrder {
  readonly path: string;
  /** Key that the caller chooses: a repeat with the same key and order returns the same credential. */
  readonly idempotencyKey: string;
  /** The requested lifetime. The shortest of this one and those of the definition, the policy and the session applies. */
  readonly ttlSeconds?: number | undefined;
  /** Position in a batch. */
  readonly index?: number | undefined;
}

export type CredentialRow = Tables['credentials'];

export interface IssuedDisclosure {
  readonly path: string;
  readonly value: Value;
  readonly lease: Lease;
  /** Warning, the same as for a secret that is read. */
  readonly warning?: string | undefined;
}

/** The caller, its order and the request. */
export interface Ordering {
  readonly parts: Recording & Access & Backends & Keys & Values & Pick<Bounds, 'quota'>;
  readonly call: Call;
  readonly live: LiveSession;
  readonly order: CredentialOrder;
}

/** An order that was allowed: every decision is made before anything exists at the backend. */
export interface DecidedOrder extends Ordering {
  readonly policy: PolicyReference | undefined;
  /** Findings of posture profiles that do not refuse. */
  readonly posture: string | undefined;
  readonly warning: string | undefined;
  readonly target: Target;
  readonly credentials: DynamicCredentials;
  readonly id: string;
  readonly ttlMs: number;
  readonly decidedAt: number;
}

/**
 * Decides whether the caller may have a dynamic credential.
 * @throws ERR_DENIED, ERR_NOT_FOUND, ERR_CONFLICT for a path that holds a static secret.
 */
export function decideOrder(ordering: Ordering): DecidedOrder {
  const { parts, call, live, order } = ordering;
  const decidedAt = parts.state.applied();
  const verdict = judge(parts, call, live, { capability: 'read', path: order.path });
  if (!verdict.allowed) throw refusalOf(verdict);
  refuseSuspended(parts, live);
  const target = targetOf(parts, order.path);
  const { credentials } = parts.connections.provider(target.mount);
  if (credentials === undefined) {
    throw new BrokerError('ERR_CONFLICT', 'this path holds a secret: GET /secrets/{path}');
  }
  if (target.definition?.spec.class !== 'dynamic') {
    const detail = 'the path needs a definition with "class: dynamic" before it issues credentials';
    throw new BrokerError('ERR_CONFLICT', detail);
  }
  const { workload } = live.session;
  // A service account without a pod has nothing whose end revokes its credentials. An OIDC token belongs to one job, and ends
  // with it.
  if (workload.pod === undefined && !('identity' in workload)) throw denied('pod_required');
  const state = podState(parts, live);
  if (state === 'terminating' || state === 'ended') throw denied(`pod_${state}`);
  return {
    ...ordering,
    policy: verdict.policy,
    posture: verdict.posture,
    warning: verdict.warning,
    target,
    credentials,
    id: credentialId(parts, live, order.idempotencyKey),
    ttlMs: ttlMs(ordering, target, verdict.maxLeaseTtlSeconds),
    decidedAt,
  };
}

/** The state of the pod according to the watch: a terminating pod gets no new credentials. */
function podState(parts: Pick<Rights, 'clusters'>, { session }: LiveSession): PodState | undefined {
  const { cluster, pod } = session.workload;
  return parts.clusters.watch(cluster)?.find(pod?.uid ?? '')?.state;
}

function ttlMs({ parts, live, order }: Ordering, target: Target, most: number | undefined): number {
  const own = target.definition?.spec.leaseTtlSeconds ?? target.mount.spec.leaseTtlSeconds;
  const seconds = Math.min(order.ttlSeconds ?? own, own, most ?? Infinity);
  return Math.min(seconds * 1000, live.session.endsAt - parts.clock.now());
}

/** One idempotency key of one session names one credential. The id is derived from them, so two concurrent orders cannot both start. */
function credentialId(
  parts: Pick<Keys, 'keyring'>,
  live: LiveSession,
  idempotencyKey: string,
): string {
  const key = parts.keyring.lookup.keyFor('idempotencyKey');
  return `cred_${hmac(key, live.session.id, '\n', idempotencyKey).toString('hex', 0, 16)}`;
}

/**
 * Decides the same order again for the caller in its current state, because issuing a credential takes time. If another mount now covers
 * the path, the order is denied, because that mount would issue another credential.
 * @throws as {@link decideOrder}
 */
export function decideAgain(decided: DecidedOrder, live: LiveSession): DecidedOrder {
  const { parts, call, order, target } = decided;
  const again = decideOrder({ parts, call, live, order });
  if (again.target.mount.uid !== target.mount.uid) throw denied('other_mount');
  return again;
}

/** The fences that a commit for this order depends on. */
export function orderFences(decided: DecidedOrder): Pick<Plan, 'decidedAt' | 'reads' | 'notAfter'> {
  const { decidedAt, live, order } = decided;
  const reads = [...live.fences, `definition:${order.path}`];
  return { decidedAt, reads, notAfter: live.session.endsAt };
}

export function requestHash(order: CredentialOrder): string {
  return sha256Hex(JSON.stringify([order.path, order.ttlSeconds ?? null]));
}

/**
 * Builds the row that is committed before the credential exists. Its handle locates everything that the order creates at the
 * backend.
 */
export function intentRow(decided: DecidedOrder): CredentialRow {
  const { parts, live, order, target, id } = decided;
  const { workload } = live.session;
  const ref = target.definition?.spec.ref;
  const now = parts.clock.now();
  const handle = decided.credentials.begin({
    intentId: id,
    locator: parts.connections.locate(target.mount, order.path, ref),
    workload,
    ttlSeconds: Math.max(1, Math.ceil(decided.ttlMs / 1000)),
    ref,
  });
  return {
    id,
    session_id: live.session.id,
    workload: workloadId(workload),
    cluster: workload.cluster,
    pod_uid: workload.pod?.uid ?? null,
    path: order.path,
    mount_uid: target.mount.uid,
    idempotency_key: sha256Hex(order.idempotencyKey),
    request_hash: requestHash(order),
    lease_id: randomId('lea'),
    handle,
    revocation: decided.credentials.revocation,
    state: 'intended',
    sealed: null,
    attempts: 0,
    next_attempt_at: null,
    last_error: null,
    created_at: now,
    ends_at: now + longestLifeMs(decided),
    mac: null,
  };
}

/** The longest lifetime of the credential. If it only expires, the time starts at the last moment at which the order may still be filled. */
function longestLifeMs({ credentials, ttlMs }: DecidedOrder): number {
  if (credentials.revocation === 'revocable') return ttlMs;
  return FILLED_MS + Math.max(ttlMs, (credentials.shortestSeconds ?? 0) * 1000);
}

/** An order with the same key is in progress. */
export function inProgress(): BrokerError {
  return new BrokerError('ERR_CONFLICT', 'a request with this key is in progress; retry shortly', {
    retryAfterSeconds: 1,
  });
}

/** The audit entry of a disclosed credential: either just issued through a mount, or found again for a repeated order. */
export function issueEntry(
  decided: DecidedOrder,
  { path, value, lease }: IssuedDisclosure,
  how: { readonly mount: string } | { readonly reason: 'repeated' },
): string {
  const { parts, call, live, order, policy, posture, id } = decided;
  return entryOf(parts, call, live, {
    action: 'credential.issue',
    outcome: 'ok',
    path,
    locator: locatorAt(parts, path),
    lease: lease.id,
    credential: id,
    policy,
    posture,
    fingerprint: value.fingerprint,
    fieldFingerprints: value.fieldFingerprints,
    item: order.index,
    endsAt: lease.endsAt,
    ...how,
  });
}
