import { BrokerError } from '../../domain/errors.ts';
import { instant } from '../../domain/time/instant.ts';
import type { WidenedGrant } from '../../domain/policy/index.ts';
import { NEEDS_BOTH } from '../../domain/identity/needed-roles.ts';
import { holdsEverywhere, holdsFor, type Session } from '../../domain/identity/principal.ts';
import type { AuditLog } from '../../ports/audit-log.ts';
import { LEASES } from '../../ports/queries.ts';
import type { Call } from '../access/call.ts';
import { LoopYielder } from '../kernel/yield-to-loop.ts';
import { currentPodLabels } from '../access/judge.ts';
import { decodeCursor, encodeCursor } from '../state/cursor.ts';
import type { Access, Keys, Recording } from '../state/dependencies.ts';
import { mayTouch } from '../documents/authority.ts';
import { policyOf } from '../model/policy-form.ts';
import { recordOperation } from '../recording/operation.ts';
import type { LiveOperator } from '../state/operator-token-memory.ts';
import { DecisionTally, type SeenRequest, type UsedGrant } from './decision-tally.ts';
import type { SkipReason } from '../../domain/audit/logged-decision.ts';
import { openDraft, type Draft } from './draft.ts';

type Parts = Recording & Access & Pick<Keys, 'keyring'> & { readonly audit: AuditLog };

export interface ReplayRequest {
  /** Draft of policies. Without one, everything is decided by the current policies only. */
  readonly draft?: Draft | undefined;
  /** Beginning of the period, in milliseconds since the epoch, inclusive. */
  readonly from: number;
  /** End of the period, exclusive. Without it, the live leases are decided too. */
  readonly to?: number | undefined;
  readonly after?: string | undefined;
}

/** One part of a replay. The same request can be in several pages: its counts add up. */
export interface ReplayPage {
  readonly items: readonly SeenRequest[];
  readonly grants: readonly UsedGrant[];
  readonly skipped: readonly { readonly reason: SkipReason; readonly count: number }[];
  /** Grants that the draft widens; on the first page only. */
  readonly widened: readonly WidenedGrant[];
  /** Entries of the log that this page read. */
  readonly entries: number;
  /** Time of the oldest of these entries. */
  readonly reached: number | undefined;
  /** The time of the oldest entry that the log has. */
  readonly knownSince: number | undefined;
  readonly next?: string | undefined;
}

/**
 * Number of entries after which a page ends, about half a second of work. It also ends after a number of distinct requests, whose
 * answer takes 4 ms to write.
 */
const ENTRIES_A_PAGE = 32_768;
const ITEMS_A_PAGE = 2_000;
const LEASES_A_PAGE = 2_000;

/**
 * Decides requests of workloads again: from live leases, then from the log, newest first. It grants nothing, whatever the result.
 * An operator sees the requests on the paths that it edits policies for. It must be an auditor, who sees them in the log too.
 * @throws ERR_DENIED, ERR_POLICY_INVALID, ERR_REQUEST_INVALID
 */
export async function replayDecisions(
  parts: Parts,
  call: Call,
  live: LiveOperator,
  request: ReplayRequest,
): Promise<ReplayPage> {
  const { draft, from, to } = request;
  const query = [
    `from=${instant(from)}`,
    ...(to === undefined ? [] : [`to=${instant(to)}`]),
    ...(draft === undefined
      ? []
      : [`changed=${draft.policies.length} removed=${draft.remove.length}`]),
  ].join(' ');
  return recordOperation(
    { parts, call, caller: live },
    { action: 'policy.replay', query },
    async (operator) => {
      requireBothRoles(operator);
      const opened = draft && (await openDraft(parts, operator, draft));
      const sessions = new OpenSessions(parts);
      const current = opened?.current ?? parts.catalog.policies;
      const policies = { current, draft: opened?.policies };
      const tally = new DecisionTally(policies, (id) => sessions.isSealed(id));
      const read = await readPart(parts, request, tally, sessions);
      const knownSince = timeIn((await parts.audit.oldest())?.entry);
      return {
        items: tally.seen().filter(({ path }) => isInScope(operator, path)),
        grants: tally.grants().filter(({ policy }) => mayRead(parts, operator, policy)),
        skipped: tally.skipped(),
        widened: request.after === undefined ? (opened?.widened ?? []) : [],
        knownSince,
        ...read,
      };
    },
  );
}

/** @throws ERR_DENIED */
function requireBothRoles({ operator }: LiveOperator): void {
  const isEditor = operator.grants.some(({ role }) => role === 'policy-editor' || role === 'admin');
  if (isEditor && holdsEverywhere(operator, 'auditor')) return;
  throw new BrokerError('ERR_DENIED', `this ${NEEDS_BOTH}`, {
    reason: 'no_role',
    isDetailShown: true,
  });
}

function isInScope({ operator }: LiveOperator, path: string): boolean {
  return holdsFor(operator, 'policy-editor', path);
}

/** A policy that only the draft has was checked with the draft. */
function mayRead({ catalog }: Pick<Access, 'catalog'>, live: LiveOperator, name: string): boolean {
  // The text of a policy is parsed only for an editor with a scope.
  if (mayTouch(live, 'policy', name)) return true;
  const stored = policyOf(catalog.find('policy', name));
  return stored === undefined || mayTouch(live, 'policy', name, stored);
}

interface Part extends Pick<ReplayPage, 'entries' | 'reached'> {
  readonly next: Position | undefined;
}

/** The live leases are read first, by id, and then the log, by index. */
type Position =
  | { readonly of: 'leases'; readonly after?: string | undefined }
  | { readonly of: 'log'; readonly after?: string | undefined };

async function readPart(
  parts: Parts,
  { from, to, after }: ReplayRequest,
  tally: DecisionTally,
  sessions: OpenSessions,
): Promise<Pick<ReplayPage, 'entries' | 'reached' | 'next'>> {
  const list = `policies:replay/${from}/${to ?? ''}`;
  const start: Position = { of: to === undefined ? 'leases' : 'log' };
  const at = (decodeCursor(parts, list, after) ?? start) as Position;
  const { next, ...read } =
    at.of === 'leases'
      ? await readLeases(parts, at.after, tally, sessions)
      : await readLog(parts, { from, to, after: at.after }, tally);
  return next === undefined ? read : { ...read, next: encodeCursor(parts, list, next) };
}

async function readLeases(
  parts: Parts,
  after: string | undefined,
  tally: DecisionTally,
  sessions: OpenSessions,
): Promise<Part> {
  const now = parts.clock.now();
  const rows = await parts.store.list(LEASES.live(), {
    limit: LEASES_A_PAGE,
    after: after === undefined ? undefined : { id: after },
  });
  const slices = new LoopYielder(parts.clock);
  for (const { session_id, path, issued_at, ends_at } of rows) {
    if (slices.isOver) await slices.next();
    const session = ends_at > now ? await sessions.find(session_id) : undefined;
    if (session !== undefined && session.endsAt > now) {
      const { workload, senderKey } = session;
      const podLabels = currentPodLabels(parts, workload);
      const sealed = senderKey !== undefined;
      tally.addLive({ workload, path, now, podLabels, sealed, last: issued_at });
    }
  }
  const last = rows.length < LEASES_A_PAGE ? undefined : rows.at(-1)?.id;
  const next: Position = last === undefined ? { of: 'log' } : { of: 'leases', after: last };
  return { entries: 0, reached: undefined, next };
}

async function readLog(
  { audit, clock }: Parts,
  { from, to, after }: Pick<ReplayRequest, 'from' | 'to' | 'after'>,
  tally: DecisionTally,
): Promise<Part> {
  const window = { after, entries: ENTRIES_A_PAGE, requests: ITEMS_A_PAGE };
  const page = await audit.decisions({ from, to }, window);
  const slices = new LoopYielder(clock);
  for (const decisions of page.items) {
    if (slices.isOver) await slices.next();
    await tally.addLogged(decisions);
  }
  for (const skipped of page.skipped) tally.skip(skipped);
  const { entries, reached, next } = page;
  return { entries, reached, next: next === undefined ? undefined : { of: 'log', after: next } };
}

function timeIn(entry: string | undefined): number | undefined {
  return entry === undefined ? undefined : Date.parse((JSON.parse(entry) as { time: string }).time);
}

/** Sessions that are still in the store: each is read once a page. */
class OpenSessions {
  readonly #parts: Pick<Parts, 'store' | 'sessions'>;
  readonly #known = new Map<string, Session | undefined>();

  constructor(parts: Pick<Parts, 'store' | 'sessions'>) {
    this.#parts = parts;
  }

  async find(id: string): Promise<Session | undefined> {
    if (this.#known.has(id)) return this.#known.get(id);
    const row = await this.#parts.store.get('sessions', { id });
    const session = row && this.#parts.sessions.open(row);
    this.#known.set(id, session);
    return session;
  }

  /** Reports whether the session's answers were encrypted; undefined if the session has ended: nothing records it then. */
  async isSealed(id: string): Promise<boolean | undefined> {
    const session = await this.find(id);
    return session && session.senderKey !== undefined;
  }
}
