import type { PrimaryKeys, Tables } from './tables.ts';

export type TableName = keyof Tables;
/** What a column holds. Integers stay within 2^53; bytes are Uint8Array. */
export type ColumnValue = string | number | Uint8Array | null;

/** A row must be as expected when the plan commits, under the lock; else the plan alone conflicts. */
export type Expectation<T extends TableName = TableName> = {
  [K in T]:
    | { readonly table: K; readonly key: KeyOf<K>; readonly absent: true }
    | { readonly table: K; readonly key: KeyOf<K>; readonly match: Partial<Tables[K]> };
}[T];

/** `put` inserts or replaces the whole row by its primary key; `change` sets some columns of an existing row; `remove` deletes by key or by columns. */
export type Write<T extends TableName = TableName> = {
  [K in T]:
    | { readonly table: K; readonly put: Tables[K] }
    | { readonly table: K; readonly key: KeyOf<K>; readonly change: Partial<Tables[K]> }
    | { readonly table: K; readonly remove: Partial<Tables[K]> };
}[T];

/** Part of a plan that a provider or an adapter contributes. */
export interface PlanFragment {
  readonly expect: readonly Expectation[];
  readonly writes: readonly Write[];
  /** Fence keys of what this takes away from earlier decisions, as `kind:key` (`session:ses_…`, `policies`, `secret:payments/db`). */
  readonly narrows: readonly string[];
}

/**
 * All that one request, or one step of a system actor, changes: it commits whole or not at all. Plans of one loop turn share a
 * transaction and its fsync.
 */
export interface Plan extends Partial<PlanFragment> {
  /** `store.seq()` as the decision saw it. Absent: nothing was decided on cached state (system actors). */
  readonly decidedAt?: number;
  /** Fence keys the decision depended on: a narrowing of one of them after `decidedAt` makes the plan stale. */
  readonly reads?: readonly string[];
  /** Wall-clock end of the authority used (session, token); at or after it the plan is stale. Milliseconds. */
  readonly notAfter?: number;
  /** Bodies of audit entries, canonical JSON objects (docs/spec/audit-log-v1.md), without the chain's own fields. */
  readonly entries?: readonly string[];
  /** May use the ballast when the disk is full: revocations and other narrowings only. */
  readonly urgent?: boolean;
}

export type Outcome =
  | {
      readonly status: 'committed';
      /** The last change number this plan made; 0 when it narrowed nothing. */ readonly seq: number;
    }
  /** Something the decision depended on was narrowed, or its authority ended: decide again. */
  | { readonly status: 'stale' }
  /** An expectation failed: `index` into `expect`; -1: a row has what must be unique (another session's hash, a used idempotency key). */
  | { readonly status: 'conflict'; readonly index: number };

/** A committed narrowing. Numbers are in commit order without gaps visible to readers. */
export interface Change {
  readonly seq: number;
  readonly kind: string;
  readonly key: string;
  readonly at: number;
}

export interface ListQuery<T extends TableName> {
  readonly equals?: Partial<Tables[T]>;
  /** Text columns: only rows whose value starts with this, byte-wise. */
  readonly startsWith?: Partial<Record<keyof Tables[T] & string, string>>;
  /** Inclusive upper bounds. */
  readonly upTo?: Partial<Tables[T]>;
  /** Inclusive lower bounds. */
  readonly from?: Partial<Tables[T]>;
  /** Columns to order by, then the primary key; all in one direction. */
  readonly orderBy?: readonly (keyof Tables[T] & string)[];
  readonly descending?: boolean;
  /** Only rows strictly after this row in the order: values of `orderBy` columns and of the primary key. */
  readonly after?: Partial<Tables[T]>;
  readonly limit: number;
}

/** Our database. Storage is untrusted: it sees ciphertext and MACed rows only. */
export interface Store {
  /**
   * Commits at the end of this loop turn, with every other plan of the turn, in the order of the calls.
   * @throws ERR_AUDIT_UNAVAILABLE, or ERR_STORE_UNAVAILABLE for a plan without entries: for certain nothing of the plan happened.
   * ERR_OUTCOME_UNKNOWN: all of it happened or nothing: release nothing.
   */
  commit(plan: Plan): Promise<Outcome>;
  get<T extends TableName>(table: T, key: KeyOf<T>): Promise<Tables[T] | undefined>;
  list<T extends TableName>(table: T, query: ListQuery<T>): Promise<readonly Tables[T][]>;
  count<T extends TableName>(table: T, equals: Partial<Tables[T]>): Promise<number>;
  /** The number of the last change this process knows of. */
  seq(): number;
  /** Called in order with every change, ours and other processes', after its commit. The returned function ends it. */
  watch(listener: (changes: readonly Change[]) => void): () => void;
  /** undefined while it can commit; else the code that audited routes answer. */
  fault(): 'ERR_AUDIT_UNAVAILABLE' | 'ERR_STORE_UNAVAILABLE' | 'ERR_HELD' | undefined;
  close(): Promise<void>;
}

export type KeyOf<T extends TableName> = Pick<Tables[T], PrimaryKeys[T] & keyof Tables[T]>;
