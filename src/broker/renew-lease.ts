import { BrokerError } from '../domain/errors.ts';
import type { Lease } from '../domain/lease.ts';
import type { Write } from '../ports/store.ts';
import type { Call } from './call.ts';
import { denied, judge } from './judge.ts';
import { ownLease } from './leases.ts';
import type { Parts } from './parts.ts';
import { commitDecided, entryOf, outcomeOf, type Attempt } from './record.ts';
import type { LiveSession } from './state/sessions.ts';
import { leaseTtlMs, targetOf } from './target.ts';

/**
 * Extends a lease for as long as the policy still allows, never beyond its session or what was set when it was issued.
 * @throws ERR_NOT_FOUND for a lease that is not the caller's, ERR_DENIED, ERR_PROVIDER_*
 */
export async function renewLease(
  parts: Parts,
  call: Call,
  live: LiveSession,
  renewal: { readonly id: string; readonly ttlSeconds?: number | undefined },
): Promise<Lease> {
  try {
    return await commitDecided(parts, (decidedAt) =>
      attempt(parts, call, live, { ...renewal, decidedAt }),
    );
  } catch (error) {
    const failure = BrokerError.from(error);
    const { code, reason } = failure;
    const outcome = outcomeOf(failure);
    const entry = entryOf(parts, call, live, {
      action: 'lease.renew',
      outcome,
      code,
      reason,
      lease: renewal.id,
    });
    await parts.store.commit({ entries: [entry] });
    throw failure;
  }
}

async function attempt(
  parts: Parts,
  call: Call,
  live: LiveSession,
  renewal: {
    readonly id: string;
    readonly ttlSeconds?: number | undefined;
    readonly decidedAt: number;
  },
): Promise<Attempt<Lease>> {
  const held = await ownLease(parts, live, renewal.id);
  const verdict = judge(parts, call, live, { capability: 'read', path: held.path });
  if (!verdict.allowed) throw denied(verdict.reason);
  const target = targetOf(parts, held.path);
  const wanted = (renewal.ttlSeconds ?? Infinity) * 1000;
  const ttlMs = Math.min(wanted, leaseTtlMs(target, verdict.maxLeaseTtlSeconds));
  const endsAt = await renewedEnd(parts, call, live, { held, ttlMs });
  const renewed: Lease = { ...held, endsAt };
  const { id, path, version } = held;
  return {
    plan: {
      decidedAt: renewal.decidedAt,
      reads: [...live.fences, `definition:${path}`],
      notAfter: live.session.endsAt,
      expect: [{ table: 'leases', key: { id }, match: { state: 'live' } }],
      writes: renewalWrites(renewed),
      entries: [
        entryOf(parts, call, live, {
          action: 'lease.renew',
          outcome: 'ok',
          lease: id,
          path,
          version,
          endsAt,
        }),
      ],
    },
    settle: () => {
      if (renewed.kind === 'static') live.leases.keep(renewed);
      return renewed;
    },
  };
}

function renewalWrites({ id, endsAt, credentialId }: Lease): readonly Write[] {
  const lease: Write = { table: 'leases', key: { id }, change: { ends_at: endsAt } };
  if (credentialId === undefined) return [lease];
  return [lease, { table: 'credentials', key: { id: credentialId }, change: { ends_at: endsAt } }];
}

/** A dynamic lease goes as far as its backend agrees; a shorter wish than what is left changes nothing. */
async function renewedEnd(
  parts: Parts,
  call: Call,
  live: LiveSession,
  { held, ttlMs }: { readonly held: Lease; readonly ttlMs: number },
): Promise<number> {
  const now = parts.clock.now();
  const most = held.kind === 'dynamic' ? held.maxEndsAt : Infinity;
  const end = Math.min(now + ttlMs, most, live.session.endsAt);
  if (held.kind === 'static' || end <= held.endsAt) return Math.max(end, held.endsAt);
  const row = await parts.store.get('credentials', { id: held.credentialId ?? '' });
  const { credentials } = parts.connections.provider(targetOf(parts, held.path).mount);
  if (row === undefined || credentials === undefined) throw new BrokerError('ERR_NOT_FOUND');
  const seconds = Math.ceil((end - now) / 1000);
  const granted = await credentials.renew(row.handle, seconds, call.context());
  return Math.min(end, parts.clock.now() + granted * 1000);
}
