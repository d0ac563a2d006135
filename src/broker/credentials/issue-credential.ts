import { BrokerError } from '../../domain/errors.ts';
import type { Lease } from '../../domain/secrets/lease.ts';
import { parseSecretPath } from '../../domain/words/names.ts';
import { workloadId } from '../../domain/identity/workload.ts';
import type { IssuedCredential } from '../../ports/secret-provider.ts';
import { encryptAt } from '../kernel/encrypted-columns.ts';
import { refreshCaller } from '../access/authenticate.ts';
import {
  decideAgain,
  decideOrder,
  inProgress,
  intentRow,
  issueEntry,
  orderFences,
  type CredentialRow,
  type DecidedOrder,
  type IssuedDisclosure,
  type Ordering,
} from '../leases/credential-order.ts';
import { queueRevocation } from '../state/end-leases.ts';
import { wholeSeconds } from '../state/granted-seconds.ts';
import { recordFailure } from '../recording/operation.ts';
import { commitAs, isOutdated, type Attempt } from '../recording/record.ts';
import { locatorAt } from '../state/target.ts';
import { repeatCredential } from './repeat-credential.ts';
import { leaseRow } from '../state/lease-rows.ts';

/** Limit for a definition without `maxLeaseTtl`: a lease can be renewed for one day, not for the whole life of the pod. */
const MAX_LEASE_SECONDS = 86_400;

/**
 * Issues a dynamic credential. The broker commits its intent before anything exists at the backend, and each handle before it uses it.
 * Whatever fails, the credential is therefore under a live lease, revoked, or in the revocation queue.
 * @throws ERR_DENIED, ERR_NOT_FOUND, ERR_CONFLICT, ERR_IDEMPOTENCY_MISMATCH, ERR_LEASE_QUOTA, ERR_PROVIDER_*
 */
export async function issueCredential(ordering: Ordering): Promise<IssuedDisclosure> {
  const { parts, order, call, live: caller } = ordering;
  parseSecretPath(order.path);
  let decided: DecidedOrder | undefined;
  try {
    const live = await refreshCaller(parts, caller);
    decided = await decideNow({ ...ordering, live });
    const existing = await parts.store.get('credentials', { id: decided.id });
    const issued =
      existing === undefined ? await make(decided) : await repeatCredential(decided, existing);
    const { warning } = decided;
    return warning === undefined ? issued : { ...issued, warning };
  } catch (error) {
    const { path, index: item } = order;
    const locator = decided && locatorAt(parts, path);
    const described = { action: 'credential.issue', path, locator, item } as const;
    return recordFailure({ parts, call, caller }, [described], error);
  }
}

/** @throws as `decideOrder` */
async function decideNow(ordering: Ordering): Promise<DecidedOrder> {
  const { parts } = ordering;
  const decidedAt = parts.state.applied();
  try {
    return decideOrder(ordering);
  } catch (error) {
    if (!(await isOutdated(parts, error, decidedAt))) throw error;
    return decideOrder(ordering);
  }
}

async function make(decided: DecidedOrder): Promise<IssuedDisclosure> {
  const { parts, live } = decided;
  const settled = await parts.quota.take(workloadId(live.session.workload));
  try {
    const intent = intentRow(decided);
    await commitIntent(decided, intent);
    return await fill(decided, intent);
  } finally {
    settled();
  }
}

/**
 * Creates the credential at the backend. From here on something may exist there; on any failure, the broker revokes the last
 * known handle.
 */
async function fill(decided: DecidedOrder, intent: CredentialRow): Promise<IssuedDisclosure> {
  const { call, credentials } = decided;
  let { handle } = intent;
  try {
    handle = await credentials.prepare(handle, call.context());
    await commitPrepared(decided, handle);
    const issued = await credentials.issue(handle, call.context());
    handle = issued.handle;
    return await commitIssued(decided, intent, issued);
  } catch (error) {
    await giveUp(decided, intent, handle);
    throw error;
  }
}

async function commitIntent(decided: DecidedOrder, intent: CredentialRow): Promise<void> {
  const { parts, live } = decided;
  await commitAs(parts, live, (decidedAt, holder): Attempt<undefined> => {
    const again = decideAgain(decided, holder);
    return {
      plan: {
        ...orderFences(again),
        decidedAt,
        expect: [{ table: 'credentials', key: { id: intent.id }, absent: true }],
        writes: [{ table: 'credentials', put: intent }],
      },
      settle: () => undefined,
      conflict: inProgress,
    };
  });
}

async function commitPrepared({ parts, id }: DecidedOrder, handle: string): Promise<void> {
  const { status } = await parts.store.commit({
    expect: [{ table: 'credentials', key: { id }, match: { state: 'intended' } }],
    writes: [{ table: 'credentials', key: { id }, change: { handle, state: 'prepared' } }],
  });
  if (status !== 'committed') throw revokedMeanwhile();
}

/**
 * Decides again, because issuing takes time. If access was removed meanwhile, the order is refused and the undisclosed credential is
 * revoked.
 */
async function commitIssued(
  decided: DecidedOrder,
  intent: CredentialRow,
  issued: IssuedCredential,
): Promise<IssuedDisclosure> {
  const { parts, order, id } = decided;
  const value = parts.values.value(order.path, { data: issued.data, version: id });
  const at = { table: 'credentials', column: 'sealed', row: { id } } as const;
  const backendEnd = parts.clock.now() + wholeSeconds(issued.ttlSeconds) * 1000;
  return commitAs(parts, decided.live, (decidedAt, holder) => {
    const again = decideAgain(decided, holder);
    const lease = leaseOf(again, intent, { ...issued, endsAt: backendEnd });
    const change: Partial<CredentialRow> = {
      state: 'issued',
      handle: issued.handle,
      sealed: encryptAt(parts, at, value.json),
      ends_at: backendEnd,
    };
    const issuedNow = { path: order.path, value, lease };
    return {
      plan: {
        ...orderFences(again),
        decidedAt,
        expect: [{ table: 'credentials', key: { id }, match: { state: 'prepared' } }],
        writes: [
          { table: 'leases', put: leaseRow(lease) },
          { table: 'credentials', key: { id }, change },
        ],
        entries: [issueEntry(again, issuedNow, { mount: again.target.mount.name })],
      },
      settle: () => issuedNow,
      conflict: revokedMeanwhile,
    };
  });
}

function leaseOf(
  decided: DecidedOrder,
  intent: CredentialRow,
  issued: { readonly endsAt: number; readonly renewable: boolean },
): Lease {
  const { parts, live, order, target, id, ttlMs } = decided;
  const now = parts.clock.now();
  const granted = Math.min(now + ttlMs, issued.endsAt);
  const maxSeconds = target.definition?.spec.maxLeaseTtlSeconds ?? MAX_LEASE_SECONDS;
  const most = now + maxSeconds * 1000;
  return {
    id: intent.lease_id,
    sessionId: live.session.id,
    workload: intent.workload,
    cluster: intent.cluster,
    podUid: live.session.workload.pod?.uid,
    path: order.path,
    mountUid: target.mount.uid,
    generation: '',
    version: id,
    kind: 'dynamic',
    state: 'live',
    issuedAt: now,
    endsAt: Math.min(granted, live.session.endsAt),
    maxEndsAt: issued.renewable ? Math.max(granted, most) : granted,
    credentialId: id,
  };
}

/**
 * Queues the revocation of the credential that the handle names. If that commit fails too, recovery finds the intent row. A row
 * that was revoked meanwhile under an older handle is revoked again under this one.
 */
async function giveUp(
  { parts, id }: DecidedOrder,
  { lease_id }: CredentialRow,
  handle: string,
): Promise<void> {
  try {
    const row = await parts.store.get('credentials', { id });
    if (row?.lease_id !== lease_id || row.state === 'issued') return;
    const isUnderWay = row.state === 'intended' || row.state === 'prepared';
    if (!isUnderWay && row.handle === handle) return;
    const { status } = await parts.store.commit({
      expect: [{ table: 'credentials', key: { id }, match: { lease_id, state: row.state } }],
      writes: [
        { table: 'credentials', key: { id }, change: { handle } },
        queueRevocation(id, parts.clock.now()),
      ],
      urgent: true,
    });
    if (status !== 'committed') throw new BrokerError('ERR_BUSY');
  } catch (error) {
    parts.log.error({ err: error, credential: id }, 'an order that failed waits for recovery');
  }
}

function revokedMeanwhile(): BrokerError {
  return new BrokerError('ERR_CONFLICT', 'the order was revoked while it was being filled');
}
