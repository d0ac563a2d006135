import type { LoggedDecision, Skipped } from '../domain/audit/logged-decision.ts';
import type { Page, PageRequest } from '../domain/page.ts';

/** Filters of a search. An entry must match every filter that is set. */
export interface AuditQuery {
  /** `k8s://<cluster>/<namespace>/<serviceaccount>` or `ci://<cluster>/<identity>` */
  readonly workload?: string | undefined;
  readonly cluster?: string | undefined;
  readonly namespace?: string | undefined;
  /** A pod's name or UID. */
  readonly pod?: string | undefined;
  readonly operator?: string | undefined;
  readonly system?: string | undefined;
  readonly path?: string | undefined;
  /** Matches this path and all paths below it, by whole segments. */
  readonly pathPrefix?: string | undefined;
  /** `<kind>/<name>` */
  readonly document?: string | undefined;
  /** `<kind>:<place>` at a backend. */
  readonly locator?: string | undefined;
  /** Matches summaries too, by the action that was refused. */
  readonly action?: string | undefined;
  readonly outcome?: string | undefined;
  readonly code?: string | undefined;
  readonly version?: string | undefined;
  readonly lease?: string | undefined;
  readonly credential?: string | undefined;
  readonly session?: string | undefined;
  readonly token?: string | undefined;
  readonly requestId?: string | undefined;
  readonly fingerprint?: string | undefined;
  /** Milliseconds since the epoch, inclusive. */
  readonly from?: number | undefined;
  /** Milliseconds since the epoch, exclusive. */
  readonly to?: number | undefined;
}

/** One entry as the broker wrote it: a line of canonical JSON. */
export interface LogEntry {
  readonly index: number;
  readonly entry: string;
}

/** A part of the log that is not in the store any more. */
export interface ArchivedPart {
  /** Entries `[first, end)`. */
  readonly first: number;
  readonly end: number;
  /** The objects that have it, with their place, the newest first; at most eight. */
  readonly objects: readonly string[];
  readonly hasMore: boolean;
}

export interface LogPage extends Page<LogEntry> {
  /** Set on the last page if archived entries may match too. The search does not read them. */
  readonly archived?: ArchivedPart | undefined;
}

/** The callers whose reads are wanted. */
export interface ReadersWanted {
  readonly kind: 'pod' | 'workload' | 'operator' | 'token' | 'node';
  /** `<cluster>/<UID>`, `k8s://…` or `ci://…`, the name of an operator, the id of a token, or `<cluster>/<node>`. */
  readonly subject: string;
  /** Time before which it read nothing, in milliseconds since the epoch. Older entries then do not count as unread. */
  readonly begunAt?: number | undefined;
}

/** All reads of one path by one pod, token or identity. */
export interface LoggedRead {
  readonly path: string;
  /** `k8s://…` or `ci://…`, or the name of an operator. */
  readonly identity: string;
  /** `<cluster>/<UID>` of the pod. */
  readonly podSubject?: string | undefined;
  readonly pod?: { readonly namespace: string; readonly name: string } | undefined;
  /** `<cluster>/<node>` */
  readonly node?: string | undefined;
  /** The newest first; at most eight. */
  readonly versions: readonly string[];
  readonly firstIndex: number;
  readonly firstAt: number;
  readonly lastIndex: number;
  readonly lastAt: number;
}

/** A part of the log whose reads are not known. */
export interface UnreadPart extends ArchivedPart {
  /** False: the log still has the entries, and a search reads them. */
  readonly isArchived: boolean;
}

export interface LoggedReads {
  readonly reads: readonly LoggedRead[];
  /** Empty if the reads are complete. */
  readonly unread: readonly UnreadPart[];
}

/** A value that an entry is about, as the entry has it. */
export interface RecordedValue {
  readonly path: string;
  readonly fingerprint: string;
  /** Fingerprints of the value's fields, separated by dots; empty if the entry has none. */
  readonly fields: string;
}

/** Returns for each value whether the search returns its entry. */
export type AcceptValues = (values: readonly RecordedValue[]) => Promise<readonly boolean[]>;

/** Equal requests in the log: of one session in one pod, from one address, with one result. At most 256 of them; more are in further items. */
export interface LoggedDecisions extends Omit<LoggedDecision, 'at'> {
  /** Times of the decisions, in milliseconds since the epoch. One NaN for a summary, which covers a time. */
  readonly times: Float64Array;
}

/** The beginning and the end of a reading of decisions. */
export interface DecisionsWindow {
  readonly after?: string | undefined;
  /** The reading ends after about this many entries, or distinct requests. */
  readonly entries: number;
  readonly requests: number;
}

/** The decisions in one part of the log. */
export interface DecisionsPage extends Page<LoggedDecisions> {
  readonly skipped: readonly Skipped[];
  /** Entries that were read. */
  readonly entries: number;
  /** The time of the oldest entry that was read. */
  readonly reached: number | undefined;
}

export interface ArchiveObject {
  readonly name: string;
  /** Entries `[first, end)`. */
  readonly first: number;
  readonly end: number;
  /** SHA-256 of the bytes, hexadecimal. */
  readonly sha256: string;
  /** The directory or bucket. */
  readonly place: string;
}

/** The entry that signs the newest truncation of the log. */
export interface LogTruncation {
  /** Index of the entry in the log. */
  readonly index: number;
  /** The live log begins with this entry. */
  readonly end: number;
  readonly time: string;
  /** The operator or the part of the broker that archived. */
  readonly actor: string;
}

export interface LogCheckpoint {
  readonly size: number;
  readonly root: Uint8Array;
  /** C2SP signed note. */
  readonly note: string;
}

/** Proof that an entry is in the tree of a checkpoint. */
export interface EntryProof extends LogEntry {
  /** RFC 6962 leaf hash of the entry. */
  readonly leaf: Uint8Array;
  /** Hashes from the leaf's sibling to the root's child. */
  readonly hashes: readonly Uint8Array[];
  readonly checkpoint: LogCheckpoint;
}

/** The signed head of one commit's chain, in the format of an export. See internals/spec/audit-log-v1.md. */
export interface BatchHead {
  readonly first_index: number;
  readonly writer: string;
  readonly first_seq: number;
  readonly count: number;
  /** SHA-256 of the commit's last entry, hexadecimal. */
  readonly head: string;
  /** Ed25519 under the boot's key, base64. */
  readonly signature: string;
  /** The boot's key and its endorsement by the log key, base64; for a writer whose first entry is archived. */
  readonly key?: string | undefined;
  readonly endorsement?: string | undefined;
}

/** Committed entries of one process that the log does not have yet: its sequence numbers `[first, end)`. */
export interface PendingEntries {
  readonly writer: string;
  readonly first: number;
  readonly end: number;
}

/** The log as readers see it: the entries that the last checkpoint covers. It lags the last commit by at most one second. */
export interface AuditLog {
  checkpoint(): Promise<LogCheckpoint | undefined>;
  /** The newest checkpoint that enough witnesses cosigned, with its cosignatures; undefined if there is none. */
  witnessed(): Promise<LogCheckpoint | undefined>;
  /** Returns the newest entries first. With `accepts`, a matching entry must also be about a value that it accepts. */
  search(query: AuditQuery, page: PageRequest, accepts?: AcceptValues): Promise<LogPage>;
  /** The decisions of the policies on requests of workloads that entries record, newest first. */
  decisions(
    query: Pick<AuditQuery, 'from' | 'to'>,
    window: DecisionsWindow,
  ): Promise<DecisionsPage>;
  /** Everything that a pod, an identity, a token or the pods of a node ever read, archived entries included. */
  reads(wanted: ReadersWanted): Promise<LoggedReads>;
  /** Some of those that ever read the path; at most `limit`. */
  readers(path: string, limit: number): Promise<readonly LoggedRead[]>;
  /** The oldest entry that the log still has; undefined for an empty log. */
  oldest(): Promise<LogEntry | undefined>;
  /** @throws ERR_NOT_FOUND */
  proveEntry(index: number): Promise<EntryProof>;
  /** The log's verifier key (C2SP signed note). */
  logKey(): Promise<string>;
  /** The heads of the commits that hold the entries from `start` on, in order; at most `limit`. */
  heads(start: number, limit: number): Promise<readonly BatchHead[]>;
  /** Entries that processes have committed to the store, and that the log does not have yet. */
  pending(): Promise<readonly PendingEntries[]>;
  /** Undefined if the store has the whole log. */
  truncation(): Promise<LogTruncation | undefined>;
  /** Objects of the archive from the one with the entry `from` on, in the order of the log. */
  archiveObjects(from: number): AsyncIterable<ArchiveObject>;
  /** Returns a tile or bundle by its C2SP tlog-tiles path; undefined if the log does not have it. */
  file(path: string): Promise<Uint8Array | undefined>;
}
