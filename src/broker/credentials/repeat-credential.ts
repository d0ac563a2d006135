import { BrokerError } from '../../domain/errors.ts';
import { decryptAt } from '../kernel/encrypted-columns.ts';
import {
  decideAgain,
  inProgress,
  issueEntry,
  orderFences,
  requestHash,
  type CredentialRow,
  type DecidedOrder,
  type IssuedDisclosure,
} from '../leases/credential-order.ts';
import { commitAs } from '../recording/record.ts';
import { openLease } from '../state/lease-rows.ts';

/**
 * Answers a repeated order with the credential that the first order issued.
 * @throws ERR_IDEMPOTENCY_MISMATCH for another order under the same key; ERR_CONFLICT while the credential is being issued or after it
 * ended.
 */
export async function repeatCredential(
  decided: DecidedOrder,
  row: CredentialRow,
): Promise<IssuedDisclosure> {
  const { parts, order } = decided;
  if (row.request_hash !== requestHash(order)) throw new BrokerError('ERR_IDEMPOTENCY_MISMATCH');
  if (row.state === 'intended' || row.state === 'prepared') throw inProgress();
  const held = await parts.store.get('leases', { id: row.lease_id });
  if (row.state !== 'issued' || row.sealed === null || held?.state !== 'live') throw over();
  if (row.mount_uid !== decided.target.mount.uid || held.ends_at <= parts.clock.now()) throw over();
  const at = { table: 'credentials', column: 'sealed', row: { id: row.id } } as const;
  const json = decryptAt(parts, at, row.sealed);
  const disclosure = {
    path: row.path,
    value: parts.values.rendered(order.path, json, row.id),
    lease: openLease(held),
  };
  return commitAs(parts, decided.live, (decidedAt, holder) => {
    const again = decideAgain(decided, holder);
    return {
      plan: {
        ...orderFences(again),
        decidedAt,
        notAfter: Math.min(held.ends_at, holder.session.endsAt),
        expect: [
          { table: 'credentials', key: { id: row.id }, match: { state: 'issued' } },
          { table: 'leases', key: { id: held.id }, match: { state: 'live' } },
        ],
        entries: [issueEntry(again, disclosure, { reason: 'repeated' })],
      },
      settle: () => disclosure,
      conflict: over,
    };
  });
}

function over(): BrokerError {
  return new BrokerError('ERR_CONFLICT', 'the credential of this key has ended; use another key');
}
