import type { Store } from '../ports/store.ts';

/** The condition of the store when it was opened. */
export interface StoreCondition {
  /** The store contained no installation. */
  readonly isNew: boolean;
  /** Database objects that differ from those of the migrations. Each could change what is stored. Empty if the schema is correct. */
  readonly differences: readonly string[];
  /** The statement that revokes CONNECT from roles without grants; undefined if they cannot connect, or if there is no server. */
  readonly revokeConnect?: string | undefined;
}

/** The used and the available space of the store. */
export interface StoreSpace {
  readonly usedBytes: number;
  /** The size of its volume, or the limit from the configuration; undefined if there is no limit. */
  readonly limitBytes: number | undefined;
}

/** An open store, with its condition at opening. */
export interface OpenedStore extends Store {
  readonly condition: StoreCondition;
  /** @throws ERR_STORE_UNAVAILABLE, or the file system's error. */
  space(): Promise<StoreSpace>;
}
