import { BrokerError } from '../domain/errors.ts';
import type { Lease } from '../domain/lease.ts';
import { parseSecretPath } from '../domain/names.ts';
import { workloadId } from '../domain/workload.ts';
import type { IssuedCredential } from '../ports/secret-provider.ts';
import { sealCredential } from '../crypto/sealed-credential.ts';
import {
  decideOrder,
  inProgress,
  intentRow,
  orderFences,
  type CredentialRow,
  type DecidedOrder,
  type IssuedDisclosure,
  type Ordering,
} from './credential-order.ts';
import { queueRevocation } from './end-leases.ts';
import { commitDecided, entryOf, outcomeOf } from './record.ts';
import { repeatCredential } from './repeat-credential.ts';
import { leaseRow } from './state/lease-rows.ts';
import type { Value } from './value-cache.ts';

/**
 * Makes a credential to order. Its intent is committed before anything exists at the backend, and each handle before it is used, so
 * that whatever happens the credential is under a live lease, revoked, or in the revoke queue.
 * @throws ERR_DENIED, ERR_NOT_FOUND, ERR_CONFLICT, ERR_IDEMPOTENCY_MISMATCH, ERR_LEASE_QUOTA, ERR_PROVIDER_*
 */
export async function issueCredential(ordering: Ordering): Promise<IssuedDisclosure> {
  const { parts, order } = ordering;
  parseSecretPath(order.path);
  try {
    const decided = decideOrder(ordering);
    const existing = await parts.store.get('credentials', { id: decided.id });
    return existing === undefined ? await make(decided) : await repeatCredential(decided, existing);
  } catch (error) {
    await recordFailure(ordering, error);
    throw error;
  }
}

async function make(decided: DecidedOrder): Promise<IssuedDisclosure> {
  const { parts, live, call, credentials } = decided;
  const workload = workloadId(live.session.workload);
  await parts.quota.take(workload, 1);
  const intent = intentRow(decided);
  let { handle } = intent;
  try {
    await commitIntent(decided, intent);
    handle = await credentials.prepare(handle, call.context());
    await commitPrepared(decided, handle);
    const issued = await credentials.issue(handle, call.context());
    handle = issued.handle;
    return await commitIssued(decided, intent, issued);
  } catch (error) {
    parts.quota.give(workload, 1);
    await giveUp(decided, handle);
    throw error;
  }
}

async function commitIntent(decided: DecidedOrder, intent: CredentialRow): Promise<void> {
  const { status } = await decided.parts.store.commit({
    ...orderFences(decided),
    expect: [{ table: 'credentials', key: { id: intent.id }, absent: true }],
    writes: [{ table: 'credentials', put: intent }],
  });
  if (status === 'conflict') throw inProgress();
  if (status === 'stale') throw new BrokerError('ERR_BUSY', undefined, { retryAfterSeconds: 1 });
}

async function commitPrepared({ parts, id }: DecidedOrder, handle: string): Promise<void> {
  const { status } = await parts.store.commit({
    expect: [{ table: 'credentials', key: { id }, match: { state: 'intended' } }],
    writes: [{ table: 'credentials', key: { id }, change: { handle, state: 'prepared' } }],
  });
  if (status !== 'committed') throw revokedMeanwhile();
}

/** Decided once more, because making it took a while: what was narrowed meanwhile refuses it, and it is revoked unseen. */
async function commitIssued(
  decided: DecidedOrder,
  intent: CredentialRow,
  issued: IssuedCredential,
): Promise<IssuedDisclosure> {
  const { parts, order, id } = decided;
  const value = parts.values.value({ data: issued.data, version: id });
  const place = { installation: parts.installation, credentialId: id };
  return commitDecided(parts, () => {
    const again = decideOrder(decided);
    const lease = leaseOf(again, intent, issued);
    const change: Partial<CredentialRow> = {
      state: 'issued',
      handle: issued.handle,
      sealed: sealCredential(parts.keyring.active, place, value.json),
      ends_at: lease.endsAt,
    };
    return {
      plan: {
        ...orderFences(again),
        expect: [{ table: 'credentials', key: { id }, match: { state: 'prepared' } }],
        writes: [
          { table: 'leases', put: leaseRow(lease) },
          { table: 'credentials', key: { id }, change },
        ],
        entries: [issueEntry(again, value, lease)],
      },
      settle: () => ({ path: order.path, value, lease }),
      conflict: revokedMeanwhile,
    };
  });
}

function issueEntry(decided: DecidedOrder, value: Value, lease: Lease): string {
  const { parts, call, live, order, policy, target, id } = decided;
  return entryOf(parts, call, live, {
    action: 'credential.issue',
    outcome: 'ok',
    path: order.path,
    mount: target.mount.name,
    lease: lease.id,
    credential: id,
    policy,
    fingerprint: value.fingerprint,
    item: order.index,
    endsAt: lease.endsAt,
  });
}

function leaseOf(decided: DecidedOrder, intent: CredentialRow, issued: IssuedCredential): Lease {
  const { parts, live, order, target, id, ttlMs } = decided;
  const now = parts.clock.now();
  const granted = Math.min(ttlMs, issued.ttlSeconds * 1000);
  const most = (target.definition?.spec.maxLeaseTtlSeconds ?? 0) * 1000;
  return {
    id: intent.lease_id,
    sessionId: live.session.id,
    workload: intent.workload,
    cluster: intent.cluster,
    podUid: live.session.workload.pod?.uid,
    path: order.path,
    mountUid: target.mount.uid,
    version: id,
    kind: 'dynamic',
    state: 'live',
    issuedAt: now,
    endsAt: Math.min(now + granted, live.session.endsAt),
    maxEndsAt: now + (issued.renewable ? Math.max(granted, most) : granted),
    credentialId: id,
  };
}

/** What the handle names goes to the revoke queue; where even that cannot be committed, recovery finds the intent row. */
async function giveUp({ parts, id }: DecidedOrder, handle: string): Promise<void> {
  try {
    const row = await parts.store.get('credentials', { id });
    if (row === undefined || !['intended', 'prepared'].includes(row.state)) return;
    await parts.store.commit({
      writes: [
        { table: 'credentials', key: { id }, change: { handle } },
        queueRevocation(id, parts.clock.now()),
      ],
      urgent: true,
    });
  } catch (error) {
    parts.log.error({ err: error, credential: id }, 'an order that failed waits for recovery');
  }
}

function revokedMeanwhile(): BrokerError {
  return new BrokerError('ERR_CONFLICT', 'the order was revoked while it was being filled');
}

async function recordFailure(
  { parts, call, live, order }: Ordering,
  error: unknown,
): Promise<void> {
  const failure = BrokerError.from(error);
  const entry = entryOf(parts, call, live, {
    action: 'credential.issue',
    outcome: outcomeOf(failure),
    code: failure.code,
    reason: failure.reason,
    path: order.path,
    item: order.index,
  });
  await parts.store.commit({ entries: [entry] });
}
