import { PERSON_NAME } from '../../domain/identity/person.ts';
import { BrokerError } from '../../domain/errors.ts';
import {
  scopeFence,
  type NamedQuarantine,
  type NamedScope,
  type Quarantine,
  type QuarantineScope,
} from '../../domain/identity/quarantine.ts';
import { parseWorkloadId } from '../../domain/identity/workload.ts';
import type { PodFacts } from '../../ports/pod-watch.ts';
import { LOG_READS } from '../../ports/queries.ts';
import type { PlanFragment } from '../../ports/store.ts';
import { randomId } from '../../crypto/random/random.ts';
import type { Call } from '../access/call.ts';
import { endSelected, NOTHING_ENDED, operatorEnding, type Ended } from './end-selected.ts';
import { recordFailure, recordOperation, requireRole } from '../recording/operation.ts';
import type { Access, Bounds, Recording } from '../state/dependencies.ts';
import { commitAs, entryOf, type Attempt } from '../recording/record.ts';
import type { Described } from '../recording/refusals.ts';
import type { SessionSelector } from '../state/select-sessions.ts';
import type { LiveOperator } from '../state/operator-token-memory.ts';
import type { Streams } from '../state/event-streams.ts';

/** The most rows: every replica keeps each row in memory. */
const MOST = 1_000;
/** The most suspensions: the rest of the rows is left for scopes that are refused everything. */
export const MOST_SUSPENSIONS = 500;
/** Serializes decisions about quarantines of operators, so that two concurrent ones cannot lock out the last two admins. */
const OPERATORS = 'quarantines:operators';

export interface QuarantineRequest {
  readonly scope: QuarantineScope;
  readonly reason: string;
  /** Duration; undefined: until an operator lifts it. */
  readonly seconds: number | undefined;
}

/** Facts of a quarantine that a response to an alert makes. */
export type ResponseFacts = Pick<Quarantine, 'mode' | 'responseId' | 'namespace' | 'pods'>;

/**
 * Denies a workload, a pod or an operator everything. After this commit, none of its logins, reads, renewals or orders commits.
 * Then its sessions and leases end. A repeated call for the same scope keeps the row, never shortens it, and completes the work
 * of the first call.
 * @throws ERR_DENIED, ERR_REQUEST_INVALID for an unknown cluster or operator, ERR_CONFLICT
 */
export async function createQuarantine(
  parts: Recording & Access & Streams & Pick<Bounds, 'limits'>,
  call: Call,
  live: LiveOperator,
  request: QuarantineRequest,
): Promise<{ readonly quarantine: Quarantine; readonly ended: Ended }> {
  const acting = { parts, call, caller: live };
  const { scope, reason } = request;
  const described = { action: 'quarantine.create', ...factsOf(scope), comment: reason } as const;
  const isOfOperator = scope.kind === 'operator';
  try {
    // Streams are counted first, because the quarantine itself closes them before their sessions end.
    const streams = parts.events.openUnder(scopeFence(scope));
    const quarantine = await commitAs(parts, live, (decidedAt, operator) => {
      authorize(operator);
      checkScope(parts, operator, scope);
      const { made, ...fragment } = quarantinePlan(parts, operator.operator.name, request);
      const { id, endsAt } = made;
      const entry = { ...described, outcome: 'ok', quarantine: id, endsAt } as const;
      return {
        plan: {
          ...fragment,
          decidedAt,
          reads: isOfOperator ? [...operator.fences, OPERATORS] : operator.fences,
          notAfter: operator.operator.endsAt,
          urgent: true,
          entries: [entryOf(parts, call, operator, entry)],
        },
        settle: () => made,
      };
    });
    const selector = selectorOf(scope);
    if (selector === undefined) return { quarantine, ended: NOTHING_ENDED };
    const ending = operatorEnding(acting, authorize, { cause: 'quarantined', comment: reason });
    return { quarantine, ended: { ...(await endSelected(ending, selector)), streams } };
  } catch (error) {
    return recordFailure(acting, [described], error);
  }
}

function authorize(operator: LiveOperator): void {
  requireRole(operator, 'responder');
}

/**
 * The row that refuses everything to the scope, or new secrets, with the fence that every plan of the scope depends on. A quarantine replaces a suspension.
 * @throws ERR_CONFLICT above the most rows.
 */
export function quarantinePlan(
  parts: Pick<Access, 'clock' | 'quarantines'>,
  createdBy: string,
  { scope, reason, seconds, ...facts }: QuarantineRequest & Partial<ResponseFacts>,
): PlanFragment & { readonly made: Quarantine } {
  const { quarantines, clock } = parts;
  const now = clock.now();
  const fence = scopeFence(scope);
  const until = seconds === undefined ? undefined : now + seconds * 1000;
  const row = quarantines.find(fence);
  const { mode } = facts;
  const standing =
    mode === 'suspended' ? quarantines.standing([fence]) : quarantines.covering([fence]);
  if (row === undefined && quarantines.all().length >= MOST) {
    throw new BrokerError(
      'ERR_CONFLICT',
      `there are ${MOST} quarantines, the most there may be; lift some of them first`,
    );
  }
  const base: Quarantine =
    standing === undefined
      ? { ...scope, id: randomId('qua'), reason, endsAt: until, createdBy, createdAt: now }
      : { ...standing, endsAt: later(standing.endsAt, until) };
  // A suspension of a scope that is refused everything already changes nothing.
  const made: Quarantine = {
    ...ofResponse(row),
    ...base,
    ...facts,
    mode: (standing ?? facts).mode,
  };
  return {
    made,
    expect: [
      {
        table: 'quarantines',
        key: scope,
        ...(row === undefined
          ? { absent: true }
          : { match: { id: row.id, ends_at: row.endsAt ?? null } }),
      },
    ],
    writes: [{ table: 'quarantines', put: quarantines.rowOf(made) }],
    invalidates: [`quarantine:${fence}`, fence, ...(scope.kind === 'operator' ? [OPERATORS] : [])],
  };
}

/** Facts that a new quarantine of a scope takes over from the one before it. */
function ofResponse(row: Quarantine | undefined): Partial<ResponseFacts> {
  const { responseId, namespace, pods } = row ?? {};
  return { responseId, namespace, pods };
}

function later(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? undefined : Math.max(a, b);
}

/** A misspelt scope would match no caller, but would seem to work. @throws ERR_REQUEST_INVALID, ERR_CONFLICT */
export function checkScope(
  parts: Pick<Access, 'catalog' | 'quarantines'>,
  { operator }: LiveOperator,
  { kind, subject }: QuarantineScope,
): void {
  const { catalog } = parts;
  if (kind !== 'operator') {
    const cluster =
      kind === 'pod' ? subject.slice(0, subject.indexOf('/')) : parseWorkloadId(subject)?.cluster;
    if (cluster !== undefined && catalog.find('cluster', cluster) !== undefined) return;
    throw new BrokerError('ERR_REQUEST_INVALID', `no cluster is registered as "${cluster ?? ''}"`);
  }
  // A person may be kept out before the first login.
  if (!PERSON_NAME.test(subject) && catalog.find('operator', subject) === undefined) {
    throw new BrokerError('ERR_REQUEST_INVALID', `there is no operator "${subject}"`);
  }
  if (subject === operator.name) {
    throw new BrokerError('ERR_CONFLICT', 'you cannot quarantine yourself; ask another responder');
  }
  requireOtherAdmin(parts, subject);
}

/** @throws ERR_CONFLICT if no admin were left to lift the quarantine of this operator */
export function requireOtherAdmin(
  parts: Pick<Access, 'catalog' | 'quarantines'>,
  operator: string,
): void {
  if (!isLastAdmin(parts, operator)) return;
  throw new BrokerError(
    'ERR_CONFLICT',
    `"${operator}" is the last admin outside quarantine; give another operator the role admin first`,
  );
}

/** Reports whether the operator is the last admin outside quarantine. */
export function isLastAdmin(
  { catalog, quarantines }: Pick<Access, 'catalog' | 'quarantines'>,
  operator: string,
): boolean {
  return !catalog
    .all('operator')
    .some(
      ({ name, spec }) =>
        name !== operator &&
        spec.grants.some(({ role }) => role === 'admin') &&
        quarantines.covering([`operator:${name}`]) === undefined,
    );
}

/** Lists all quarantines in force, oldest first; there is no paging because they are few. @throws ERR_DENIED */
export async function listQuarantines(
  parts: Recording & Access,
  call: Call,
  live: LiveOperator,
): Promise<readonly NamedQuarantine[]> {
  const acting = { parts, call, caller: live };
  return recordOperation(acting, { action: 'quarantine.list' }, async (operator) => {
    requireRole(operator, 'responder', 'auditor');
    const named: NamedQuarantine[] = [];
    for (const each of parts.quarantines.inForce())
      named.push({ ...each, pod: await podNamed(parts, each) });
    return named;
  });
}

/** The name of a pod that ever read a secret, by the read index, or that runs. */
async function podNamed(
  { store, clusters }: Recording & Access,
  { kind, subject }: QuarantineScope,
): Promise<NamedScope['pod']> {
  if (kind !== 'pod') return undefined;
  const [row] = await store.list(LOG_READS.ofReader(`pod:${subject}`), { limit: 1 });
  const [namespace, name] = row?.pod?.split('/') ?? [];
  if (namespace !== undefined && name !== undefined) return { namespace, name };
  const slash = subject.indexOf('/');
  return nameIn(clusters.watch(subject.slice(0, slash))?.find(subject.slice(slash + 1)));
}

function nameIn(facts: PodFacts | undefined): NamedScope['pod'] {
  const object = (facts?.manifest?.read() ?? {}) as {
    readonly metadata?: { readonly namespace?: unknown; readonly name?: unknown };
  };
  const { namespace, name } = object.metadata ?? {};
  return typeof namespace === 'string' && typeof name === 'string'
    ? { namespace, name }
    : undefined;
}

/** Allows a scope to log in again. Revoked leases and ended sessions are not restored. @throws ERR_DENIED, ERR_NOT_FOUND */
export async function liftQuarantine(
  parts: Recording & Access,
  call: Call,
  live: LiveOperator,
  { id, reason }: { readonly id: string; readonly reason: string },
): Promise<void> {
  const acting = { parts, call, caller: live };
  const described = { action: 'quarantine.lift', quarantine: id, comment: reason } as const;
  await commitAs(parts, live, (decidedAt, operator): Attempt<undefined> => {
    authorize(operator);
    const found = parts.quarantines.all().find((each) => each.id === id);
    if (found === undefined) throw new BrokerError('ERR_NOT_FOUND');
    const entry = { ...described, ...factsOf(found), outcome: 'ok', cause: 'lifted' } as const;
    return {
      plan: {
        ...removal(found),
        decidedAt,
        reads: operator.fences,
        notAfter: operator.operator.endsAt,
        entries: [entryOf(parts, call, operator, entry)],
      },
      settle: () => undefined,
    };
  }).catch((error: unknown) => recordFailure(acting, [described], error));
}

/** Rows and changes that remove a quarantine; a row that was extended meanwhile conflicts. */
export function removal(quarantine: Quarantine): PlanFragment {
  const { kind, subject, id, endsAt } = quarantine;
  const key = { kind, subject };
  return {
    expect: [{ table: 'quarantines', key, match: { id, ends_at: endsAt ?? null } }],
    writes: [{ table: 'quarantines', remove: key }],
    invalidates: [`quarantine:${scopeFence(quarantine)}`],
  };
}

/** The sessions that a quarantine ends; an operator has none. */
export function selectorOf({
  kind,
  subject,
}: QuarantineScope): Exclude<SessionSelector, { readonly source: string }> | undefined {
  if (kind === 'operator') return undefined;
  if (kind === 'workload') return { workload: subject };
  const slash = subject.indexOf('/');
  return { cluster: subject.slice(0, slash), pod: subject.slice(slash + 1) };
}

type Facts = Pick<
  Extract<Described, { readonly action: 'quarantine.create' }>,
  'workload' | 'pod' | 'document'
>;

/** The scope in the form for audit entries. For a pod, only the cluster and the UID are certain. */
export function factsOf({ kind, subject, pod }: NamedScope): Facts {
  if (kind === 'workload') return { workload: subject };
  if (kind === 'operator') return { document: { kind, name: subject } };
  const slash = subject.indexOf('/');
  const cluster = subject.slice(0, slash);
  const { namespace, name } = pod ?? { namespace: '', name: '' };
  return { pod: { cluster, namespace, name, uid: subject.slice(slash + 1) } };
}
