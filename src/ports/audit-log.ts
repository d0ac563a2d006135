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
  /** This path and all paths below it, by whole segments. */
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
  /** From the leaf's sibling to the root's child. */
  readonly hashes: readonly Uint8Array[];
  readonly checkpoint: LogCheckpoint;
}

/** The signed head of one commit's chain, in the format of an export. See docs/spec/audit-log-v1.md. */
export interface BatchHead {
  readonly first_index: number;
  readonly writer: string;
  readonly first_seq: number;
  readonly count: number;
  /** SHA-256 of the commit's last entry, hexadecimal. */
  readonly head: string;
  /** Ed25519 under the boot's key, base64. */
  readonly signature: string;
}

/** The log as readers see it: the entries that the last checkpoint covers. It lags the last commit by at most one second. */
export interface AuditLog {
  checkpoint(): Promise<LogCheckpoint | undefined>;
  /** The newest checkpoint that enough witnesses cosigned, with its cosignatures; undefined if there is none. */
  witnessed(): Promise<LogCheckpoint | undefined>;
  /** Returns the newest entries first. If `accepts` is set, a matching entry also needs its approval of the path and the fingerprints. */
  search(
    query: AuditQuery,
    page: PageRequest,
    accepts?: (path: string, fingerprint: string, fields: string) => boolean,
  ): Promise<Page<LogEntry>>;
  /** The oldest entry that the log still has; undefined for an empty log. */
  oldest(): Promise<LogEntry | undefined>;
  /** @throws ERR_NOT_FOUND */
  proveEntry(index: number): Promise<EntryProof>;
  /** The log's verifier key (C2SP signed note). */
  logKey(): Promise<string>;
  /** The heads of the commits that hold entries `[start, end)`, in order. */
  heads(start: number, end: number): AsyncIterable<BatchHead>;
  /** Returns a tile or bundle by its C2SP tlog-tiles path; undefined if the log does not have it. */
  file(path: string): Promise<Uint8Array | undefined>;
}
