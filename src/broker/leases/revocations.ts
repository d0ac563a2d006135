import { BrokerError } from '../../domain/errors.ts';
import type { Page, PageRequest } from '../../domain/page.ts';
import type { Tables } from '../../ports/tables.ts';
import { CREDENTIALS } from '../../ports/queries.ts';
import type { Call } from '../access/call.ts';
import { REVOCATION_STATES } from '../kernel/credential-states.ts';
import { decodeCursor, encodeCursor } from '../state/cursor.ts';
import { queueRevocation } from '../state/end-leases.ts';
import { recordFailure, recordOperation, requireRole } from '../recording/operation.ts';
import type { Access, Keys, Recording } from '../state/dependencies.ts';
import { commitAs, entryOf, type Attempt } from '../recording/record.ts';
import type { LiveOperator } from '../state/operator-token-memory.ts';

type RevocationState = (typeof REVOCATION_STATES)[number];

/** A credential that the broker revokes, but that may still be valid at its backend. */
export interface Revocation {
  readonly credential: string;
  readonly lease: string;
  readonly workload: string;
  readonly path: string;
  readonly state: RevocationState;
  readonly attempts: number;
  readonly lastError: string | undefined;
  readonly nextAttemptAt: number | undefined;
  /** Time at which the credential expires at the backend, as far as the broker knows. */
  readonly endsAt: number;
}

/** Revocations in the given state, ordered by their next attempt. @throws ERR_DENIED, ERR_REQUEST_INVALID */
export async function listRevocations(
  parts: Recording & Access & Pick<Keys, 'keyring'>,
  call: Call,
  live: LiveOperator,
  query: { readonly state: RevocationState; readonly page: PageRequest },
): Promise<Page<Revocation>> {
  const acting = { parts, call, caller: live };
  return recordOperation(acting, { action: 'lease.list' }, async (operator) => {
    requireRole(operator, 'responder', 'auditor');
    const list = `revocations/${query.state}`;
    const after = decodeCursor(parts, list, query.page.after) as
      | Partial<Tables['credentials']>
      | undefined;
    const rows = await parts.store.list(CREDENTIALS.revocations(query.state), {
      limit: query.page.limit + 1,
      after,
    });
    const shown = rows.slice(0, query.page.limit);
    const items = shown.map(revocationOf);
    const last = shown.at(-1);
    if (last === undefined || rows.length === shown.length) return { items };
    const { next_attempt_at, id } = last;
    return { items, next: encodeCursor(parts, list, { next_attempt_at, id }) };
  });
}

/**
 * Retries a revocation now and resets its attempts.
 * @throws ERR_DENIED, ERR_NOT_FOUND; ERR_CONFLICT for a revoked credential, or one that only expires
 */
export async function retryRevocation(
  parts: Recording & Access,
  call: Call,
  live: LiveOperator,
  id: string,
): Promise<void> {
  const acting = { parts, call, caller: live };
  const described = { action: 'credential.revoke', credential: id, cause: 'retry_asked' } as const;
  await commitAs(parts, live, async (decidedAt, operator): Promise<Attempt<undefined>> => {
    requireRole(operator, 'responder');
    const row = await parts.store.get('credentials', { id });
    if (row === undefined) throw new BrokerError('ERR_NOT_FOUND');
    const { state, path } = row;
    if (state !== 'revoking' && state !== 'irrevocable') {
      throw new BrokerError('ERR_CONFLICT', `the credential is ${state}`);
    }
    return {
      plan: {
        decidedAt,
        reads: operator.fences,
        notAfter: operator.operator.endsAt,
        expect: [{ table: 'credentials', key: { id }, match: { state } }],
        writes: [queueRevocation(id, parts.clock.now())],
        entries: [entryOf(parts, call, operator, { ...described, outcome: 'ok', path })],
      },
      settle: () => undefined,
    };
  }).catch((error: unknown) => recordFailure(acting, [described], error));
}

function revocationOf(row: Tables['credentials']): Revocation {
  return {
    credential: row.id,
    lease: row.lease_id,
    workload: row.workload,
    path: row.path,
    state: REVOCATION_STATES.find((state) => state === row.state) ?? 'revoking',
    attempts: row.attempts,
    lastError: row.last_error ?? undefined,
    nextAttemptAt: row.next_attempt_at ?? undefined,
    endsAt: row.ends_at,
  };
}
