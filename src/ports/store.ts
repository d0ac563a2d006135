import type { PrimaryKeys, Tables } from './tables.ts';

export type TableName = keyof Tables;
/** The value of a column. Integers stay within 2^53; bytes are Uint8Array. */
export type ColumnValue = string | number | Uint8Array | null;

/** A condition on a row that must hold when the plan commits, under the lock. If it fails, only this plan conflicts. */
export type Expectation<T extends TableName = TableName> = {
  [K in T]:
    | { readonly table: K; readonly key: KeyOf<K>; readonly absent: true }
    | { readonly table: K; readonly key: KeyOf<K>; readonly match: Partial<Tables[K]> };
}[T];

/**
 * `put` inserts or replaces the whole row by its primary key. `change` sets some columns of an existing row. `remove` deletes by key or by columns,
 * `removeRange` the rows of a range.
 */
export type Write<T extends TableName = TableName> = {
  [K in T]:
    | { readonly table: K; readonly put: Tables[K] }
    | { readonly table: K; readonly key: KeyOf<K>; readonly change: Partial<Tables[K]> }
    | { readonly table: K; readonly remove: Partial<Tables[K]> }
    | (K extends LogTable ? { readonly table: K; readonly removeRange: RowRange<K> } : never);
}[T];

/** Tables of the log, whose rows have neither a MAC nor a digest. */
type LogTable = 'audit_batches' | 'audit_segments' | 'log_segments' | 'log_tiles';

/** Rows that have the values of `where`, and a value of `column` from `first` to `last`. */
export interface RowRange<T extends TableName> {
  readonly where: Partial<Tables[T]>;
  readonly column: keyof Tables[T] & string;
  readonly first: number;
  readonly last: number;
}

/** A part of a plan that a provider or an adapter contributes. */
export interface PlanFragment {
  readonly expect: readonly Expectation[];
  readonly writes: readonly Write[];
  /** Fence keys of the invalidations in this fragment, as `kind:key` (`session:ses_…`, `policies`, `secret:payments/db`). */
  readonly invalidates: readonly string[];
}

/**
 * All changes of one request, or of one step of a system actor. The plan commits as a whole or not at all. Plans of one event-loop turn share a
 * transaction and its fsync.
 */
export interface Plan extends Partial<PlanFragment> {
  /** The value of `store.seq()` at the decision. Absent if the decision used no cached state (system actors). */
  readonly decidedAt?: number;
  /** Fence keys that the decision depended on. An invalidation of one of them after `decidedAt` makes the plan stale. */
  readonly reads?: readonly string[];
  /** Expiry of the session or token that authorised the plan, in wall-clock milliseconds. From then on the plan is stale. */
  readonly notAfter?: number;
  /** Bodies of audit entries: canonical JSON objects (internals/spec/audit-log-v1.md) without the chain's own fields. */
  readonly entries?: readonly string[];
  /** The plan may use the ballast if the disk is full. For revocations and other invalidations only. */
  readonly urgent?: boolean;
}

export type Outcome =
  | {
      readonly status: 'committed';
      /** The number of the last change of this plan; 0 if it made no invalidation. */ readonly seq: number;
    }
  /** An invalidation concerns a fact that the decision depended on, or its authority expired. The caller must decide again. */
  | { readonly status: 'stale' }
  /**
   * An expectation failed: `index` into `expect`. -1 means that another row has a unique value of the plan (another session's hash, a used
   * idempotency key).
   */
  | { readonly status: 'conflict'; readonly index: number };

/** A committed invalidation. Numbers are in commit order, and readers see no gaps. */
export interface Change {
  readonly seq: number;
  readonly kind: string;
  readonly key: string;
  readonly at: number;
}

/** One condition of a query, on the argument at its position. */
export interface Term {
  readonly column: string;
  readonly is: '=' | '<=' | '>=' | 'starts with';
  /** The condition is left out if its argument is undefined. */
  readonly isOptional: boolean;
}

/** The constant part of a query. `starts with` compares byte by byte. */
export interface QuerySpec<T extends TableName> {
  readonly table: T;
  readonly terms: readonly Term[];
  /** Conditions that are the same in every call. */
  readonly fixed: Partial<Tables[T]>;
  /** Columns to order by, followed by the primary key, all in one direction. */
  readonly orderBy: readonly string[];
  readonly descending: boolean;
}

/** A query of `queries.ts` with the values of its conditions. */
export interface Query<T extends TableName> {
  readonly spec: QuerySpec<T>;
  readonly values: readonly unknown[];
}

export interface Window<T extends TableName> {
  readonly limit: number;
  /** Returns only rows strictly after this row in the order. The row needs the columns of the order and of the primary key. */
  readonly after?: Partial<Tables[T]> | undefined;
}

/** Reads rows of the broker's database. */
export interface RowReader {
  get<T extends TableName>(table: T, key: KeyOf<T>): Promise<Tables[T] | undefined>;
  list<T extends TableName>(query: Query<T>, window: Window<T>): Promise<readonly Tables[T][]>;
}

/** The broker's database. The storage is untrusted: it holds only ciphertext and rows with a MAC. */
export interface Store extends RowReader {
  /**
   * Commits at the end of this event-loop turn, with all other plans of the turn, in the order of the calls.
   * @throws ERR_AUDIT_UNAVAILABLE, or ERR_STORE_UNAVAILABLE for a plan without entries: no part of the plan was committed.
   * ERR_OUTCOME_UNKNOWN: all of the plan was committed or none of it. The caller must release nothing.
   */
  commit(plan: Plan): Promise<Outcome>;
  count(query: Query<TableName>): Promise<number>;
  /** Names of the log's writers whose last batch is not in the tree, in order, which is about the order of their boots. */
  pendingWriters(): Promise<readonly string[]>;
  /** The number of the last change that this process knows. */
  seq(): number;
  /**
   * Resolves when this process knows every change that committed before the call, also those of other processes. Calls at the same time share one
   * query. @throws ERR_STORE_UNAVAILABLE
   */
  catchUp(): Promise<void>;
  /** Calls `listener` in commit order with every change of this process and of others, after its commit. The returned function unsubscribes. */
  watch(listener: (changes: readonly Change[]) => void): () => void;
  /** undefined while the store can commit; otherwise the error code for audited routes. */
  fault(): 'ERR_AUDIT_UNAVAILABLE' | 'ERR_STORE_UNAVAILABLE' | 'ERR_HELD' | undefined;
  close(): Promise<void>;
}

export type KeyOf<T extends TableName> = Pick<Tables[T], PrimaryKeys[T] & keyof Tables[T]>;
