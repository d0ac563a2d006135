import type { Store } from '../ports/store.ts';

/** What was found when the store was opened. */
export interface StoreCondition {
  /** It had no installation. */
  readonly isNew: boolean;
  /** Objects that the migrations do not make, or make otherwise: each could change what is stored. Empty: the schema is ours. */
  readonly differences: readonly string[];
  /** The statement that keeps roles without grants out of the database; undefined: they are out, or there is no server. */
  readonly revokeConnect?: string | undefined;
}

/** How full the store is. */
export interface StoreSpace {
  readonly usedBytes: number;
  /** The size of its volume, or the bound of the configuration; undefined where there is none. */
  readonly limitBytes: number | undefined;
}

/** A store, and what was found when it was opened. */
export interface OpenedStore extends Store {
  readonly condition: StoreCondition;
  /** @throws ERR_STORE_UNAVAILABLE, or the file system's error. */
  space(): Promise<StoreSpace>;
}
