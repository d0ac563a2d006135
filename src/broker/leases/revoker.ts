import { BrokerError } from '../../domain/errors.ts';
import { doubledDelay } from '../../ports/backoff.ts';
import type { Expectation } from '../../ports/store.ts';
import type { Tables } from '../../ports/tables.ts';
import { CREDENTIALS } from '../../ports/queries.ts';
import { randomId } from '../../crypto/random/random.ts';
import { REVOCATION_STATES } from '../kernel/credential-states.ts';
import { FILLED_MS } from './credential-order.ts';
import { queueRevocation } from '../state/end-leases.ts';
import type { Backends, Recording, Storage } from '../state/dependencies.ts';
import type { StoredDocument } from '../model/document.ts';
import { SystemActor } from '../recording/record.ts';
import { listAll } from '../kernel/list-all.ts';
import { Worker } from '../kernel/worker.ts';

type Row = Tables['credentials'];

const EVERY_MS = 500;
/** Rounds between two searches for abandoned orders, which are two minutes old before they count as such. */
const ADOPT_EVERY = 10;
const CHUNK = 64;
/**
 * Number of attempts, with growing pauses, after which the credential is listed as irrevocable. The revoker still retries it, but
 * rarely.
 */
const ATTEMPTS = 6;
const FIRST_PAUSE_MS = 10_000;
const LONGEST_PAUSE_MS = 300_000;
const HELD_BACK_PAUSE_MS = 60_000;
const DEADLINE_MS = 10_000;
/** The reason for no attempt: the backend cannot revoke the credential before it expires. */
const EXPIRES_ONLY = 'expires_only';
/** The backend works, but an operator must decide there: the credential is listed as irrevocable at once. */
const NEEDS_OPERATOR = 'ERR_CONFLICT';

/** Processes the revocation queue. The queue is durable, each entry has its own back-off, and a failure at one backend affects no other. */
export function revoker(
  parts: Backends & Pick<Recording, 'digest' | 'store'>,
  random: () => number,
): Worker {
  const actor = new SystemActor(parts, 'revoker');
  let turn = 0;
  return new Worker('revoker', EVERY_MS, parts, async (signal) => {
    if (turn % ADOPT_EVERY === 0) await adoptAbandoned(parts, parts.clock.now() - FILLED_MS);
    turn += 1;
    for (const state of REVOCATION_STATES) {
      const queued = CREDENTIALS.dueRevocations(state, parts.clock.now());
      const due = await parts.store.list(queued, { limit: CHUNK });
      await Promise.all(due.map(async (row) => revoke({ parts, actor, random, signal }, row)));
    }
  });
}

/** Queues every order that a crash left unfinished. This runs at the start, before this process fills orders. */
export async function adoptAbandoned(parts: Storage, createdUpTo: number): Promise<void> {
  for (const state of ['intended', 'prepared'] as const) {
    const abandoned = CREDENTIALS.abandoned(state, createdUpTo);
    const now = parts.clock.now();
    // One commit for each order: an order that completes right now must not be revoked, and must not block the others.
    for await (const { id } of listAll(parts.store, abandoned)) {
      await parts.store.commit({
        expect: [{ table: 'credentials', key: { id }, match: { state } }],
        writes: [queueRevocation(id, now)],
        urgent: true,
      });
    }
  }
}

interface Round {
  readonly parts: Storage & Backends;
  readonly actor: SystemActor;
  readonly random: () => number;
  readonly signal: AbortSignal;
}

async function revoke(round: Round, row: Row): Promise<void> {
  try {
    if (row.revocation === 'expires-only' && row.ends_at > round.parts.clock.now()) {
      await keepListed(round, row, EXPIRES_ONLY, row.ends_at);
      return;
    }
    if (row.revocation === 'revocable') await revokeAtBackend(round, row);
    await settle(round, row);
  } catch (error) {
    if (round.signal.aborted) return;
    const failure = BrokerError.from(error);
    const connection = mountOf(round, row)?.spec.connection;
    round.parts.log.warn(
      { err: failure, credential: row.id, connection, attempt: row.attempts + 1 },
      'a revocation failed',
    );
    const at = nextAttempt(round, row.attempts, longestPause(failure));
    await keepListed(round, row, reasonOf(failure), at);
  }
}

/** The reason in the list of revocations: the error code, and the provider's reason if there is one. */
function reasonOf({ code, reason }: BrokerError): string {
  return reason === undefined ? code : `${code} ${reason}`;
}

/**
 * Chooses the longest pause. If the broker's own circuit breaker or queue limit blocked the call, the backend may recover within
 * seconds, so the revoker retries sooner.
 */
function longestPause({ reason }: BrokerError): number {
  const wasHeldBack = reason === 'circuit_open' || reason === 'queue_full';
  return wasHeldBack ? HELD_BACK_PAUSE_MS : LONGEST_PAUSE_MS;
}

function mountOf({ parts }: Round, row: Row): StoredDocument<'mount'> | undefined {
  return parts.catalog.all('mount').find(({ uid }) => uid === row.mount_uid);
}

async function revokeAtBackend(round: Round, row: Row): Promise<void> {
  const { parts, signal } = round;
  const mount = mountOf(round, row);
  const credentials = mount && parts.connections.provider(mount).credentials;
  if (credentials === undefined) throw new BrokerError('ERR_PROVIDER_UNAVAILABLE');
  const late = new AbortController();
  const cancel = parts.clock.after(DEADLINE_MS, () => late.abort(new Error('deadline')));
  try {
    await credentials.revoke(row.handle, {
      requestId: randomId('req'),
      signal: AbortSignal.any([signal, late.signal]),
    });
  } finally {
    cancel();
  }
}

async function settle({ parts, actor }: Round, row: Row): Promise<void> {
  await parts.store.commit({
    expect: [asItWas(row)],
    writes: [
      {
        table: 'credentials',
        key: { id: row.id },
        change: { state: 'revoked', next_attempt_at: null, last_error: null, sealed: null },
      },
    ],
    urgent: true,
    entries: [actor.entry({ action: 'credential.revoke', outcome: 'ok', ...facts(row) })],
  });
}

async function keepListed(
  { parts, actor }: Round,
  row: Row,
  error: string,
  at: number,
): Promise<void> {
  const attempts = row.attempts + 1;
  const isStuck = attempts >= ATTEMPTS || error.startsWith(NEEDS_OPERATOR);
  const state = error === EXPIRES_ONLY ? 'expiring' : isStuck ? 'irrevocable' : 'revoking';
  const entry = {
    action: 'credential.revoke',
    outcome: 'error',
    reason: error,
    ...facts(row),
  } as const;
  await parts.store.commit({
    expect: [asItWas(row)],
    writes: [
      {
        table: 'credentials',
        key: { id: row.id },
        change: { state, attempts, next_attempt_at: at, last_error: error },
      },
    ],
    urgent: true,
    entries: [actor.entry(entry)],
  });
}

/** Expects that no other replica attempted the revocation meanwhile, and that it was not queued again under a newer handle. */
function asItWas({ id, state, handle, attempts }: Row): Expectation {
  return { table: 'credentials', key: { id }, match: { state, handle, attempts } };
}

/** Doubles from ten seconds up to `most`; half of the pause is random. */
function nextAttempt({ parts, random }: Round, attempts: number, most: number): number {
  const pause = doubledDelay(FIRST_PAUSE_MS, most, attempts);
  return parts.clock.now() + Math.round(pause / 2 + (pause / 2) * random());
}

function facts(row: Row): {
  readonly credential: string;
  readonly lease: string;
  readonly path: string;
  readonly session: string;
} {
  return { credential: row.id, lease: row.lease_id, path: row.path, session: row.session_id };
}
