import type { QuarantineScope } from '../../domain/identity/quarantine.ts';
import type { ArchivedPart, AuditLog, AuditQuery, LogEntry } from '../../ports/audit-log.ts';
import type { AlertRecord } from './alert-record.ts';

const PAGE = 1_000;
/** One search for the timeline reads this many entries at most. */
const MOST_EVENTS = 5_000;
/** Reads that a timeline shows, from an hour before the alert on. */
const MOST_READS = 200;
const READS_BEFORE_MS = 3_600_000;
/** Actions that belong to the incident if they concern its scope. */
const ACTIONS: readonly string[] = [
  'alert.receive',
  'alert.approve',
  'alert.respond',
  'incident.open',
  'quarantine.create',
  'quarantine.lift',
  'session.end',
  'lease.revoke',
  'credential.revoke',
  'pod.end',
];

/** Members of an entry that a timeline shows. */
export interface TimelineBody {
  readonly time?: string;
  readonly action?: string;
  readonly outcome?: string;
  readonly cause?: string;
  readonly path?: string;
  readonly version?: string;
  readonly rotation?: string;
  readonly alert?: string;
  readonly quarantine?: string;
  readonly count?: number;
  readonly comment?: string;
  readonly query?: string;
  readonly actor?: { readonly kind?: string; readonly id?: string; readonly podUid?: string };
}

export interface TimelineEntry {
  readonly index: number;
  readonly body: TimelineBody;
}

/** Entries that the timeline lacks. */
export interface TimelineGap {
  /** `reads`, `events`: more entries match than one page of an incident has. `archived`: they are not in the store any more. */
  readonly kind: 'reads' | 'events' | 'archived';
  /** The oldest entry that was found, or the archived entries `[first, end)`. */
  readonly first: number;
  readonly end?: number | undefined;
}

export interface Timeline {
  /** Oldest first. */
  readonly entries: readonly TimelineEntry[];
  readonly gaps: readonly TimelineGap[];
}

interface Found {
  readonly entries: readonly TimelineEntry[];
  /** True if the log has more. */
  readonly hasMore: boolean;
  readonly archived: ArchivedPart | undefined;
}

/**
 * The entries of a response: the reads before it, those about its scopes until its quarantines are lifted, and those of its rotations. What happens to
 * the scopes or paths afterwards does not belong to it.
 */
export async function findTimeline(audit: AuditLog, record: AlertRecord): Promise<Timeline> {
  const { id, scopes, receivedAt, exposed = [], source, alert } = record;
  const begun = Math.min(receivedAt, alert.time ?? receivedAt, receivedAt - 1_000);
  const collected = new Collected();
  for (const scope of scopes) {
    const own = { ...filterOf(scope), from: begun };
    collected.add('events', await findEvents(audit, own), ({ action = '' }) =>
      ACTIONS.includes(action),
    );
    const read = { action: 'secret.read', outcome: 'ok', from: begun - READS_BEFORE_MS };
    collected.add('reads', await findEntries(audit, { ...own, ...read }, MOST_READS));
  }
  const bySource = { system: `alerts/${source}`, from: begun };
  collected.add('events', await findEvents(audit, bySource), (body) => body.alert === id);
  collected.endAfter(endOf(record, collected.entries()));
  for (const { path, rotation } of exposed) {
    if (rotation === undefined) continue;
    const found = await findEntries(audit, { path, from: begun }, MOST_EVENTS);
    collected.add('events', found, (body) => body.rotation === rotation && !isStep(body));
  }
  return { entries: collected.entries(), gaps: collected.gaps };
}

/** The steps of a rotation are in `rotate history`. */
function isStep({ action }: TimelineBody): boolean {
  return action === 'rotation.step';
}

class Collected {
  readonly #entries = new Map<number, TimelineEntry>();
  readonly gaps: TimelineGap[] = [];

  add(
    kind: TimelineGap['kind'],
    { entries, hasMore, archived }: Found,
    isPart: (body: TimelineBody) => boolean = () => true,
  ): void {
    for (const entry of entries) if (isPart(entry.body)) this.#entries.set(entry.index, entry);
    if (hasMore) this.gaps.push({ kind, first: entries.at(-1)?.index ?? 0 });
    if (archived === undefined) return;
    const { first, end } = archived;
    if (this.gaps.some((gap) => gap.kind === 'archived' && gap.first === first)) return;
    this.gaps.push({ kind: 'archived', first, end });
  }

  endAfter(index: number): void {
    for (const each of this.#entries.keys()) if (each > index) this.#entries.delete(each);
  }

  entries(): readonly TimelineEntry[] {
    return [...this.#entries.values()].sort((a, b) => a.index - b.index);
  }
}

/** The entry that ends the incident: its last quarantine is lifted, or its response is done and it has none. */
function endOf({ id, quarantines }: AlertRecord, entries: readonly TimelineEntry[]): number {
  const lifts = entries.filter(
    ({ body: { action, quarantine = '' } }) =>
      action === 'quarantine.lift' && quarantines.includes(quarantine),
  );
  const lifted = new Set(lifts.map(({ body }) => body.quarantine));
  if (quarantines.length > 0)
    return lifted.size < quarantines.length ? Infinity : (lifts.at(-1)?.index ?? Infinity);
  const done = entries.find(({ body }) => body.action === 'alert.respond' && body.alert === id);
  return done?.index ?? Infinity;
}

async function findEvents(audit: AuditLog, query: AuditQuery): Promise<Found> {
  const all = await findEntries(audit, query, MOST_EVENTS);
  if (!all.hasMore) return all;
  // The scope acts again after the incident. A search finds the newest entries first, and the entries of the response are the oldest.
  const entries: TimelineEntry[] = [];
  let hasMore = false;
  for (const action of ACTIONS) {
    const found = await findEntries(audit, { ...query, action }, MOST_EVENTS);
    hasMore ||= found.hasMore;
    entries.push(...found.entries);
  }
  return { entries, hasMore, archived: all.archived };
}

/** Finds matching entries, newest first. */
async function findEntries(audit: AuditLog, query: AuditQuery, most: number): Promise<Found> {
  const entries: TimelineEntry[] = [];
  let archived: ArchivedPart | undefined;
  let after: string | undefined;
  do {
    const page = await audit.search(query, {
      limit: Math.min(PAGE, most - entries.length),
      after,
    });
    entries.push(...page.items.map(opened));
    ({ next: after, archived } = page);
  } while (after !== undefined && entries.length < most);
  return { entries, hasMore: after !== undefined, archived };
}

/** The entries about a scope. */
function filterOf({ kind, subject }: QuarantineScope): AuditQuery {
  if (kind === 'workload') return { workload: subject };
  if (kind === 'operator') return { operator: subject };
  const slash = subject.indexOf('/');
  return { cluster: subject.slice(0, slash), pod: subject.slice(slash + 1) };
}

function opened({ index, entry }: LogEntry): TimelineEntry {
  return { index, body: JSON.parse(entry) as TimelineBody };
}
