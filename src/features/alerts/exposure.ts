import type { QuarantineScope } from '../../domain/identity/quarantine.ts';
import type { AuditLog, LoggedRead, ReadersWanted, UnreadPart } from '../../ports/audit-log.ts';
import { LEASES } from '../../ports/queries.ts';
import type { Query } from '../../ports/store.ts';
import type { Tables } from '../../ports/tables.ts';
import { listAll } from '../../broker/kernel/list-all.ts';
import type { Access, Storage } from '../../broker/state/dependencies.ts';
import type { AlertRecord } from './alert-record.ts';
import { podIndex } from './pod-index.ts';
import { seenPods } from './seen-pods.ts';

type Parts = Pick<Storage, 'store'> & Pick<Access, 'clusters'> & { readonly audit: AuditLog };

/** A secret under leases that were live at a time, or are younger. */
export interface HeldSecret {
  readonly path: string;
  /** Leases that are still live. */
  readonly liveLeases: number;
}

/** A secret that a scope read. Instants are milliseconds since the epoch. */
export interface ReadSecret {
  readonly path: string;
  /** The newest first; at most eight. */
  readonly versions: readonly string[];
  readonly firstAt: number;
  readonly lastAt: number;
  /** The entry of the last read, for a proof; undefined for a lease whose read the index does not have. */
  readonly lastIndex: number | undefined;
}

/** A part of the log that was not read, with the command that reads it. */
export interface UnreadLog extends UnreadPart {
  readonly command: string;
}

/** Pods that are gone whose reads are looked up one by one. If there are more, everything that the workloads of the others read counts. */
const MOST_GONE = 1_000;

/** The secrets that a scope could have copied. */
export interface Exposure {
  /** The scopes, and the pods of their image or node that are gone. */
  readonly scopes: readonly QuarantineScope[];
  readonly holdsNow: readonly HeldSecret[];
  /** Everything that the scope read in its whole life, and everything in `holdsNow`, by path. */
  readonly everRead: readonly ReadSecret[];
  /** The identities that read: the workload of a pod, the operator. */
  readonly readers: ReadonlySet<string>;
  /** False if entries of the log may name more secrets: see `unread`. */
  readonly isComplete: boolean;
  readonly unread: readonly UnreadLog[];
}

/**
 * Everything that the scopes read in their whole life, and all leases that were live at a time or later. The log's read index has the former, archived
 * entries included, so the number of reads does not matter.
 */
export async function exposureOf(
  parts: Parts,
  of: Pick<AlertRecord, 'scopes' | 'extent'>,
  at: number,
): Promise<Exposure> {
  const scopes = [...of.scopes, ...(await goneOf(parts, of))];
  const secrets = new Map<string, ReadSecret>();
  const held = new Map<string, HeldSecret>();
  const readers = new Set<string>();
  const unread = new Map<string, UnreadLog>();
  for (const scope of scopes) {
    const found = await parts.audit.reads(wantedOf(parts, scope));
    for (const read of found.reads) {
      add(secrets, read);
      readers.add(read.identity);
    }
    for (const part of found.unread) {
      const command = readingCommand(part, scope);
      unread.set(`${part.first} ${command}`, { ...part, command });
    }
    for await (const lease of leasesSince(parts, scope, at)) {
      const { path, version, issued_at: issued } = lease;
      const { liveLeases } = held.get(path) ?? { liveLeases: 0 };
      held.set(path, { path, liveLeases: liveLeases + (lease.state === 'live' ? 1 : 0) });
      const read = { path, versions: [version], firstAt: issued, lastAt: issued };
      if (!secrets.has(path)) secrets.set(path, { ...read, lastIndex: undefined });
    }
  }
  return {
    scopes,
    holdsNow: byPath(held.values()),
    everRead: byPath(secrets.values()),
    readers,
    isComplete: unread.size === 0,
    unread: [...unread.values()],
  };
}

/** The pods of the image or the node outside the scopes. Most of them are gone; they can still have given away what they read. */
async function goneOf(
  { store }: Pick<Parts, 'store'>,
  { scopes, extent }: Pick<AlertRecord, 'scopes' | 'extent'>,
): Promise<readonly QuarantineScope[]> {
  if (extent === undefined) return [];
  const own = new Set(scopes.map(({ subject }) => subject));
  const pods = new Set<string>();
  const workloads = new Set<string>();
  for await (const { uid, workload } of seenPods(store, extent)) {
    const subject = `${extent.cluster}/${uid}`;
    if (own.has(subject) || pods.has(subject)) continue;
    if (pods.size < MOST_GONE) pods.add(subject);
    else workloads.add(workload);
  }
  return [
    ...[...pods].map((subject) => ({ kind: 'pod' as const, subject })),
    ...[...workloads].map((subject) => ({ kind: 'workload' as const, subject })),
  ];
}

/** A running pod read nothing before it existed, so older entries do not matter. */
function wantedOf({ clusters }: Pick<Access, 'clusters'>, scope: QuarantineScope): ReadersWanted {
  if (scope.kind !== 'pod') return scope;
  const slash = scope.subject.indexOf('/');
  const watch = clusters.watch(scope.subject.slice(0, slash));
  const pod = watch && podIndex(watch).byUid(scope.subject.slice(slash + 1));
  return { ...scope, begunAt: pod?.createdAt };
}

async function* leasesSince(
  { store }: Pick<Storage, 'store'>,
  { kind, subject }: QuarantineScope,
  at: number,
): AsyncGenerator<Tables['leases']> {
  if (kind === 'operator') return;
  const slash = subject.indexOf('/');
  const [cluster, uid] = [subject.slice(0, slash), subject.slice(slash + 1)];
  for (const state of ['live', 'ended'] as const) {
    const query: Query<'leases'> =
      kind === 'pod' ? LEASES.ofPod(cluster, uid, state) : LEASES.ofWorkload(subject, state);
    for await (const lease of listAll(store, query))
      if (state === 'live' || lease.ends_at >= at) yield lease;
  }
}

/** Adds the reads of one pod or token to those of the others. */
function add(secrets: Map<string, ReadSecret>, read: LoggedRead): void {
  const { path, versions, firstAt, lastAt, lastIndex } = read;
  const known = secrets.get(path);
  if (known?.lastIndex === undefined) {
    secrets.set(path, { path, versions, firstAt, lastAt, lastIndex });
    return;
  }
  const isLater = lastIndex > known.lastIndex;
  const all = isLater ? [...versions, ...known.versions] : [...known.versions, ...versions];
  secrets.set(path, {
    path,
    versions: [...new Set(all)].slice(0, 8),
    firstAt: Math.min(firstAt, known.firstAt),
    lastAt: Math.max(lastAt, known.lastAt),
    lastIndex: Math.max(lastIndex, known.lastIndex),
  });
}

function byPath<T extends { readonly path: string }>(items: Iterable<T>): readonly T[] {
  return [...items].sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** A search reads the entries in the store. The broker itself reads archived ones, once it can read their place. */
function readingCommand({ isArchived }: UnreadPart, { kind, subject }: QuarantineScope): string {
  if (isArchived) return 'quaymaster audit archive-status';
  const name = kind === 'pod' ? subject.slice(subject.indexOf('/') + 1) : subject;
  return `quaymaster audit search --${kind} '${name}' --action secret.read --limit 100000`;
}

export interface OtherReaders {
  /** Workloads and operators that ever read the path. */
  readonly otherReaders: readonly string[];
  /** Pods outside the scopes, of a workload that a pod of the scopes has. */
  readonly otherPods: number;
}

/** Readers of one path that are looked at. */
const MOST_READERS = 1_000;

/** Finds the readers of the path that are outside the scopes. */
export async function findOtherReaders(
  audit: AuditLog,
  path: string,
  {
    scopes,
    readers: own,
  }: { readonly scopes: readonly QuarantineScope[]; readonly readers: ReadonlySet<string> },
): Promise<OtherReaders> {
  const subjects = new Set(scopes.map(({ subject }) => subject));
  const readers = new Set<string>();
  const pods = new Set<string>();
  for (const { identity, podSubject = '' } of await audit.readers(path, MOST_READERS)) {
    if (subjects.has(podSubject) || subjects.has(identity)) continue;
    if (own.has(identity)) pods.add(podSubject);
    else readers.add(identity);
  }
  return { otherReaders: [...readers].sort(), otherPods: pods.size };
}
