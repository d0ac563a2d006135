import { BrokerError } from '../domain/errors.ts';
import type { Lease } from '../domain/lease.ts';
import { isUnder } from '../domain/names.ts';
import { holdsEverywhere, holdsFor } from '../domain/principal.ts';
import type { Call } from './call.ts';
import { endLeases } from './end-leases.ts';
import { denied } from './judge.ts';
import { matching } from './leases.ts';
import type { Parts } from './parts.ts';
import { entryOf, outcomeOf } from './record.ts';
import { openLease } from './state/lease-rows.ts';
import type { LiveOperator } from './state/operator-tokens.ts';

/** Exactly one of them; a path covers what lies below it, by whole segments. */
export type LeaseSelector =
  | { readonly id: string }
  | { readonly path: string }
  | { readonly workload: string }
  | { readonly pod: string }
  | { readonly mount: string };

/** Leases that one commit ends: larger revocations commit in pieces, and say how far they came. */
const CHUNK = 500;

/**
 * Ends live leases and queues what is under them for revocation at the backends. Sessions go on; the versions revoked from them are not
 * issued to them again. @returns how many ended. @throws ERR_DENIED
 */
export async function revokeLeases(
  parts: Parts,
  call: Call,
  live: LiveOperator,
  request: { readonly selector: LeaseSelector; readonly comment?: string | undefined },
): Promise<{ readonly revoked: number }> {
  const { selector } = request;
  try {
    authorize(live, selector);
    let revoked = 0;
    for (;;) {
      const leases = await select(parts, selector);
      if (leases.length === 0 && revoked > 0) return { revoked };
      await commitChunk(parts, call, live, { leases, selector });
      revoked += leases.length;
      if (leases.length < CHUNK) return { revoked };
    }
  } catch (error) {
    const failure = BrokerError.from(error);
    const { code, reason } = failure;
    const outcome = outcomeOf(failure);
    await parts.store.commit({
      entries: [entryOf(parts, call, live, { action: 'lease.revoke', outcome, code, reason })],
    });
    throw failure;
  }
}

function authorize(live: LiveOperator, selector: LeaseSelector): void {
  if (holdsEverywhere(live.operator, 'responder')) return;
  if ('path' in selector && holdsFor(live.operator, 'responder', selector.path)) return;
  throw denied('no_role');
}

async function select(parts: Parts, selector: LeaseSelector): Promise<readonly Lease[]> {
  if ('id' in selector) {
    const row = await parts.store.get('leases', { id: selector.id });
    return row?.state === 'live' ? [openLease(row)] : [];
  }
  const leases: Lease[] = [];
  const query = { ...matching(parts, { ...selector, state: 'live' }), orderBy: ['path' as const] };
  let after: { path: string; id: string } | undefined;
  while (leases.length < CHUNK) {
    const rows = await parts.store.list('leases', {
      ...query,
      limit: CHUNK,
      ...(after && { after }),
    });
    const found = rows.map(openLease);
    leases.push(
      ...found.filter(({ path }) => !('path' in selector) || isUnder(path, selector.path)),
    );
    const last = found.at(-1);
    if (last === undefined || rows.length < CHUNK) break;
    after = { path: last.path, id: last.id };
  }
  return leases.slice(0, CHUNK);
}

async function commitChunk(
  parts: Parts,
  call: Call,
  live: LiveOperator,
  chunk: { readonly leases: readonly Lease[]; readonly selector: LeaseSelector },
): Promise<void> {
  const summary = entryOf(parts, call, live, {
    action: 'lease.revoke',
    outcome: 'ok',
    cause: 'revoked',
    count: chunk.leases.length,
  });
  const each = chunk.leases.map((lease) =>
    entryOf(parts, call, live, {
      action: 'lease.revoke',
      outcome: 'ok',
      lease: lease.id,
      path: lease.path,
      version: lease.version,
      session: lease.sessionId,
      cause: 'revoked',
    }),
  );
  const { status } = await parts.store.commit({
    ...endLeases(parts, chunk.leases, 'revoked'),
    decidedAt: parts.state.applied(),
    reads: live.fences,
    notAfter: live.operator.endsAt,
    urgent: true,
    entries: [summary, ...each],
  });
  if (status !== 'committed') throw denied('narrowed_meanwhile');
}
