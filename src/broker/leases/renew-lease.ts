import { BrokerError } from '../../domain/errors.ts';
import type { Lease } from '../../domain/secrets/lease.ts';
import type { Expectation, Write } from '../../ports/store.ts';
import type { Call } from '../access/call.ts';
import { refusalOf, judge, type Verdict } from '../access/judge.ts';
import { wholeSeconds } from '../state/granted-seconds.ts';
import { readOwnLease } from './leases.ts';
import { recordFailure, type Acting } from '../recording/operation.ts';
import type { Access, Backends, Recording, Rights, Storage } from '../state/dependencies.ts';
import { commitAs, entryOf, type Attempt } from '../recording/record.ts';
import type { LiveSession } from '../state/session-memory.ts';
import { leaseTtlMs, targetOf } from '../state/target.ts';

/**
 * Extends a lease for as long as the policy still allows. It never outlives its session or the maximum that was set when it was issued.
 * @throws ERR_NOT_FOUND for a lease of another caller, ERR_DENIED, ERR_PROVIDER_*
 */
export async function renewLease(
  parts: Recording & Access & Pick<Backends, 'connections'>,
  call: Call,
  live: LiveSession,
  renewal: { readonly id: string; readonly ttlSeconds?: number | undefined },
): Promise<Lease> {
  const acting = { parts, call, caller: live };
  return commitAs(parts, live, (decidedAt, holder) =>
    attempt(parts, call, holder, { ...renewal, decidedAt }),
  ).catch((error: unknown) =>
    recordFailure(acting, [{ action: 'lease.renew', lease: renewal.id }], error),
  );
}

async function attempt(
  parts: Rights & Pick<Recording, 'digest' | 'store'> & Pick<Backends, 'connections'>,
  call: Call,
  live: LiveSession,
  renewal: {
    readonly id: string;
    readonly ttlSeconds?: number | undefined;
    readonly decidedAt: number;
  },
): Promise<Attempt<Lease>> {
  const { held, verdict } = await judgeRenewal({ parts, call, caller: live }, renewal.id);
  if (!verdict.allowed) throw refusalOf(verdict);
  const target = targetOf(parts, held.path);
  if (target.mount.uid !== held.mountUid) {
    throw new BrokerError('ERR_NOT_FOUND', undefined, { reason: 'other_mount' });
  }
  const wanted = (renewal.ttlSeconds ?? Infinity) * 1000;
  const ttlMs = Math.min(wanted, leaseTtlMs(target, verdict.maxLeaseTtlSeconds));
  const endsAt = await renewedEnd(parts, call, live, { held, ttlMs });
  const maxEndsAt = Math.max(held.maxEndsAt, endsAt);
  const renewed: Lease = { ...held, endsAt, maxEndsAt };
  const { id, path, version } = held;
  return {
    plan: {
      decidedAt: renewal.decidedAt,
      reads: [...live.fences, `definition:${path}`],
      notAfter: live.session.endsAt,
      expect: renewalExpects(held),
      writes: renewalWrites(renewed),
      entries: [
        entryOf(parts, call, live, {
          action: 'lease.renew',
          outcome: 'ok',
          lease: id,
          path,
          version,
          endsAt,
          posture: verdict.posture,
        }),
      ],
    },
    settle: () => {
      if (renewed.kind === 'static') live.leases.keep(renewed);
      return renewed;
    },
  };
}

/**
 * The caller's lease, and whether its policies still allow it to read the path.
 * @throws ERR_NOT_FOUND for a lease of another caller.
 */
export async function judgeRenewal(
  { parts, call, caller }: Acting<LiveSession, Rights & Storage>,
  id: string,
): Promise<{ readonly held: Lease; readonly verdict: Verdict }> {
  const held = await readOwnLease(parts, caller, id);
  return { held, verdict: judge(parts, call, caller, { capability: 'read', path: held.path }) };
}

/** The lease must not have ended or been renewed since it was read: the shorter of two renewals must not undo the longer. */
function renewalExpects({ id, endsAt, credentialId }: Lease): readonly Expectation[] {
  const lease: Expectation = {
    table: 'leases',
    key: { id },
    match: { state: 'live', ends_at: endsAt },
  };
  if (credentialId === undefined) return [lease];
  const match = { state: 'issued' as const };
  return [lease, { table: 'credentials', key: { id: credentialId }, match }];
}

function renewalWrites({ id, endsAt, maxEndsAt, credentialId }: Lease): readonly Write[] {
  const change = { ends_at: endsAt, max_ends_at: maxEndsAt };
  const lease: Write = { table: 'leases', key: { id }, change };
  if (credentialId === undefined) return [lease];
  return [lease, { table: 'credentials', key: { id: credentialId }, change: { ends_at: endsAt } }];
}

/** The backend may grant a dynamic lease less than requested. A request shorter than the remaining time changes nothing. */
async function renewedEnd(
  parts: Storage & Pick<Backends, 'catalog' | 'connections'>,
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
  if (row?.state !== 'issued' || credentials === undefined) throw new BrokerError('ERR_NOT_FOUND');
  const seconds = Math.ceil((end - now) / 1000);
  const granted = await credentials.renew(row.handle, seconds, call.context());
  return Math.min(end, parts.clock.now() + wholeSeconds(granted) * 1000);
}
