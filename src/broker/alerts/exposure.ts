import type { QuarantineScope } from '../../domain/identity/quarantine.ts';
import type { AuditLog, AuditQuery, LogEntry } from '../../ports/audit-log.ts';

/** One search reads this many entries at most. */
const MOST_ENTRIES = 20_000;
const PAGE = 1_000;

/** Members of an entry that name the reader and the secret. */
export interface ReadEntry {
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
  readonly actor?: { readonly kind?: string; readonly id?: string; readonly podUid?: string };
}

/** A secret that a scope read. */
export interface ReadSecret {
  readonly path: string;
  readonly versions: readonly string[];
  readonly reads: number;
  readonly firstAt: string;
  readonly lastAt: string;
  /** The entry of the last read, for a proof. */
  readonly lastIndex: number;
}

export interface Reads {
  /** Secrets by path. */
  readonly secrets: readonly ReadSecret[];
  /** The identities of the scopes: the workload of a pod, the operator. */
  readonly readers: ReadonlySet<string>;
  /** False if the log has more entries than one search reads. */
  readonly isComplete: boolean;
}

/** Searches the log for the reads of the scopes since a time. */
export async function findReads(
  audit: AuditLog,
  scopes: readonly QuarantineScope[],
  since: number,
): Promise<Reads> {
  const secrets = new Map<string, ReadSecret>();
  const readers = new Set<string>();
  let isComplete = true;
  for (const scope of scopes) {
    const query = { ...filterOf(scope), action: 'secret.read', outcome: 'ok', from: since };
    const found = await findEntries(audit, query, MOST_ENTRIES);
    isComplete &&= found.length < MOST_ENTRIES;
    for (const entry of found) {
      add(secrets, entry);
      const { id } = entry.body.actor ?? {};
      if (id !== undefined) readers.add(id);
    }
  }
  const items = [...secrets.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
  return { secrets: items, readers, isComplete };
}

export interface OtherReaders {
  /** Workloads and operators. */
  readonly otherReaders: readonly string[];
  /** Pods outside the scopes, of a workload that a pod of the scopes has. */
  readonly otherPods: number;
}

/** Finds the readers of the path since a time that are outside the scopes. */
export async function findOtherReaders(
  audit: AuditLog,
  path: string,
  {
    scopes,
    since,
    readers: own,
  }: {
    readonly scopes: readonly QuarantineScope[];
    readonly since: number;
    readonly readers: ReadonlySet<string>;
  },
): Promise<OtherReaders> {
  const query = { path, action: 'secret.read', outcome: 'ok', from: since };
  const readers = new Set<string>();
  const pods = new Set<string>();
  for (const { body } of await findEntries(audit, query, PAGE)) {
    const { id = '', podUid = '' } = body.actor ?? {};
    const isInScope = scopes.some(({ kind, subject }) =>
      kind === 'pod' ? subject.endsWith(`/${podUid}`) : subject === id,
    );
    if (isInScope || id === '') continue;
    if (own.has(id)) pods.add(podUid);
    else readers.add(id);
  }
  return { otherReaders: [...readers].sort(), otherPods: pods.size };
}

export interface FoundEntry {
  readonly index: number;
  readonly body: ReadEntry;
}

/** Finds matching entries, newest first. */
export async function findEntries(
  audit: AuditLog,
  query: AuditQuery,
  most: number,
): Promise<readonly FoundEntry[]> {
  const found: FoundEntry[] = [];
  let after: string | undefined;
  do {
    const page = await audit.search(query, { limit: Math.min(PAGE, most - found.length), after });
    found.push(...page.items.map(opened));
    after = page.next;
  } while (after !== undefined && found.length < most);
  return found;
}

/** The entries about a scope. */
export function filterOf({ kind, subject }: QuarantineScope): AuditQuery {
  if (kind === 'workload') return { workload: subject };
  if (kind === 'operator') return { operator: subject };
  const slash = subject.indexOf('/');
  return { cluster: subject.slice(0, slash), pod: subject.slice(slash + 1) };
}

function opened({ index, entry }: LogEntry): FoundEntry {
  return { index, body: JSON.parse(entry) as ReadEntry };
}

/** Entries come newest first. */
function add(secrets: Map<string, ReadSecret>, { index, body }: FoundEntry): void {
  const { path, version = '', time = '' } = body;
  if (path === undefined) return;
  const first = { path, versions: [], reads: 0, firstAt: time, lastAt: time, lastIndex: index };
  const known: ReadSecret = secrets.get(path) ?? first;
  secrets.set(path, {
    ...known,
    versions: known.versions.includes(version) ? known.versions : [...known.versions, version],
    reads: known.reads + 1,
    firstAt: time,
  });
}
