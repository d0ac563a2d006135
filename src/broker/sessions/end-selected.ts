import type { Lease } from '../../domain/secrets/lease.ts';
import type { Plan, Query } from '../../ports/store.ts';
import type { Tables } from '../../ports/tables.ts';
import { LEASES } from '../../ports/queries.ts';
import { accountId } from '../../domain/identity/workload.ts';
import { ENDED_AT_ONCE, endLeases } from '../state/end-leases.ts';
import type { Acting } from '../recording/operation.ts';
import type { Access, Bounds, Recordable, Recording, Storage } from '../state/dependencies.ts';
import {
  commitAs,
  commitDecided,
  entryOf,
  type Attempt,
  type SystemActor,
} from '../recording/record.ts';
import {
  factsOf,
  scanSessions,
  type SessionScan,
  type SessionSelector,
} from '../state/select-sessions.ts';
import { removeSessions } from '../leases/ended-sessions.ts';
import { openLease } from '../state/lease-rows.ts';
import type { LiveOperator } from '../state/operator-token-memory.ts';
import type { Streams } from '../state/event-streams.ts';

/** Counts of what the operator's action ended. `revoked` is complete; `revoking` is queued for revocation at the backend. */
export interface Ended {
  readonly sessions: number;
  /** Leases without a credential at a backend: nothing of them remains. */
  readonly revoked: number;
  /** Number of leases whose credential a backend still has to revoke. */
  readonly revoking: number;
  /** Event streams of those sessions in the process that answers. */
  readonly streams: number;
}

export const NOTHING_ENDED: Ended = { sessions: 0, revoked: 0, revoking: 0, streams: 0 };

/** The most sessions that one commit ends. More take several commits, each with its own entries. */
const SESSIONS = 200;

interface Author {
  /** The fences that the plan of a chunk depends on. */
  readonly stamp: Pick<Plan, 'decidedAt' | 'reads' | 'notAfter'>;
  readonly entry: (event: Recordable) => string;
}

/** The authority that ends sessions, and the reason. */
export interface Ending {
  readonly parts: Storage & Streams & Pick<Bounds, 'limits'>;
  readonly cause: 'ended_by_operator' | 'quarantined' | 'alert';
  readonly comment?: string | undefined;
  commit<T>(attempt: (author: Author) => Promise<Attempt<T>>): Promise<T>;
}

/** An operator ends the sessions; before each chunk, `authorize` checks that the operator still may. */
export function operatorEnding(
  { parts, call, caller }: Acting<LiveOperator, Recording & Access & Ending['parts']>,
  authorize: (operator: LiveOperator) => void,
  why: Pick<Ending, 'cause' | 'comment'>,
): Ending {
  return {
    parts,
    ...why,
    commit: (attempt) =>
      commitAs(parts, caller, (decidedAt, operator) => {
        authorize(operator);
        const stamp = { decidedAt, reads: operator.fences, notAfter: operator.operator.endsAt };
        return attempt({ stamp, entry: (event) => entryOf(parts, call, operator, event) });
      }),
  };
}

/** The broker itself ends the sessions that a quarantine covers, or that an alert is about. */
export function systemEnding(
  parts: Ending['parts'] & Pick<Recording, 'state'>,
  actor: SystemActor,
  cause: Ending['cause'] = 'quarantined',
): Ending {
  return {
    parts,
    cause,
    commit: (attempt) =>
      commitDecided(parts, () => attempt({ stamp: {}, entry: (event) => actor.entry(event) })),
  };
}

/**
 * Ends sessions first and then their leases, in chunks. A removed session gets no new leases, so one pass over the leases finds all. A call
 * that failed half-way can be repeated: it also finds leases whose session is already gone. If the process dies, the expiry worker ends the
 * leases of the sessions that it had ended.
 */
export async function endSelected(ending: Ending, selector: SessionSelector): Promise<Ended> {
  let ended = NOTHING_ENDED;
  let after: string | undefined;
  do {
    const chunk = await endSessionChunk(ending, selector, { after, isFirst: after === undefined });
    ended = add(ended, chunk.ended);
    if ('source' in selector) {
      for (const id of chunk.ids)
        ended = add(ended, await endLeasesOf(ending, LEASES.liveOfSession(id)));
    }
    after = chunk.next;
  } while (after !== undefined);
  if ('source' in selector) return ended;
  return add(ended, await endLeasesOf(ending, liveLeases(selector)));
}

/** Reports whether `endSelected` would end any session or live lease. */
export async function isAnythingLeft(
  parts: Pick<Storage, 'store'>,
  selector: Exclude<SessionSelector, { readonly source: string }>,
): Promise<boolean> {
  const { rows } = await scanSessions(parts, selector, { after: undefined, limit: 1 });
  if (rows.length > 0) return true;
  return (await parts.store.list(liveLeases(selector), { limit: 1 })).length > 0;
}

interface SessionChunk {
  readonly ids: readonly string[];
  readonly next: string | undefined;
  readonly ended: Ended;
}

function endSessionChunk(
  ending: Ending,
  selector: SessionSelector,
  { after, isFirst }: { readonly after: string | undefined; readonly isFirst: boolean },
): Promise<SessionChunk> {
  const { parts, cause } = ending;
  return ending.commit(async ({ stamp, entry }) => {
    const { rows, next }: SessionScan = await scanSessions(parts, selector, {
      after,
      limit: SESSIONS,
    });
    const ids = rows.map(({ id }) => id);
    const streams = ids.reduce((sum, id) => sum + parts.events.openOf(id), 0);
    const summary = { count: ids.length, comment: ending.comment, query: queryOf(selector) };
    // An `ended_by_operator` run is recorded even if it found no session; any other run, such as the broker's own, only if it found some.
    const isSaid = ids.length > 0 || (isFirst && cause === 'ended_by_operator');
    const entries = [
      entry({ action: 'session.end', outcome: 'ok', cause, ...summary }),
      ...rows.map((row) => entry({ action: 'session.end', outcome: 'ok', cause, ...factOf(row) })),
    ];
    return {
      plan: {
        ...stamp,
        expect: ids.map((id) => ({ table: 'sessions', key: { id }, match: { id } })),
        writes: removeSessions(parts, ids),
        invalidates: ids.map((id) => `session:${id}`),
        urgent: true,
        entries: isSaid ? entries : [],
      },
      settle: () => ({ ids, next, ended: { ...NOTHING_ENDED, sessions: ids.length, streams } }),
    };
  });
}

async function endLeasesOf(ending: Ending, live: Query<'leases'>): Promise<Ended> {
  let ended = NOTHING_ENDED;
  let after: LeaseRow | undefined;
  do {
    const chunk = await endLeaseChunk(ending, live, after);
    ended = add(ended, chunk.ended);
    after = chunk.next;
  } while (after !== undefined);
  return ended;
}

function endLeaseChunk(
  ending: Ending,
  live: Query<'leases'>,
  after: LeaseRow | undefined,
): Promise<{ readonly next: LeaseRow | undefined; readonly ended: Ended }> {
  const { parts } = ending;
  return ending.commit(async ({ stamp, entry }) => {
    const rows = await parts.store.list(live, { limit: ENDED_AT_ONCE, after });
    const leases = rows.map(openLease);
    const revoking = leases.filter(({ credentialId }) => credentialId !== undefined).length;
    return {
      plan: {
        ...stamp,
        ...endLeases(parts, leases, 'session_ended'),
        urgent: true,
        entries: leases.map((lease) => entry(endedLease(lease, ending))),
      },
      settle: () => ({
        next: rows.length < ENDED_AT_ONCE ? undefined : rows.at(-1),
        ended: { ...NOTHING_ENDED, revoked: leases.length - revoking, revoking },
      }),
    };
  });
}

type LeaseRow = Tables['leases'];

function liveLeases(
  selector: Exclude<SessionSelector, { readonly source: string }>,
): Query<'leases'> {
  if ('id' in selector) return LEASES.liveOfSession(selector.id);
  if ('workload' in selector) return LEASES.liveOfWorkload(selector.workload);
  const { cluster } = selector;
  return 'pod' in selector
    ? LEASES.liveOfPod(cluster, selector.pod)
    : LEASES.liveOfCluster(cluster);
}

function endedLease({ id, path, version, sessionId }: Lease, { cause }: Ending): Recordable {
  const facts = { lease: id, path, version, session: sessionId };
  return { action: 'lease.revoke', outcome: 'ok', cause, ...facts };
}

function factOf(
  row: Tables['sessions'],
): Omit<Extract<Recordable, { readonly action: 'session.end' }>, 'action' | 'outcome'> {
  const { id, cluster, namespace, service_account: serviceAccount, pod_uid: uid } = row;
  const workload = accountId({ cluster, namespace, serviceAccount });
  const name = factsOf(row).pod?.name ?? '';
  return { session: id, workload, ...(uid !== null && { pod: { cluster, namespace, name, uid } }) };
}

/** The selection, in the query format of the audit log. */
export function queryOf(selector: SessionSelector): string {
  return Object.entries<string>(selector)
    .map(([name, value]) => `${name}=${value}`)
    .join(' ');
}

function add(a: Ended, b: Ended): Ended {
  return {
    sessions: a.sessions + b.sessions,
    revoked: a.revoked + b.revoked,
    revoking: a.revoking + b.revoking,
    streams: a.streams + b.streams,
  };
}
