import type { DurationTally } from '../domain/time/duration-tally.ts';
import type { Store } from '../ports/store.ts';
import type { SchemaChange } from './migrate.ts';

/** The condition of the store when it was opened. */
export interface StoreCondition {
  /** The store contained no installation. */
  readonly isNew: boolean;
  /** The migration of a store that had fewer migrations; undefined if there was none. */
  readonly migrated?: SchemaChange | undefined;
  /** Database objects that differ from those of the migrations. Each could change what is stored. Empty if the schema is correct. */
  readonly differences: readonly string[];
  /** The statement that revokes CONNECT from roles without grants; undefined if they cannot connect, or if there is no server. */
  readonly revokeConnect?: string | undefined;
  /** Milliseconds of a sync of the disk, for which every answer waits. Undefined if the disk is that of a server, or could not be measured. */
  readonly syncMs?: number | undefined;
}

/** The used and the available space of the store. */
export interface StoreSpace {
  readonly usedBytes: number;
  /** The size of its volume, or the limit from the configuration; undefined if there is no limit. */
  readonly limitBytes: number | undefined;
}

/** Some rows of one table after their lookup by every index. */
export interface IndexSlice {
  readonly table: string;
  readonly rows: number;
  /** Problem for an operator; empty if the indexes have all rows. */
  readonly damage: readonly string[];
}

/** A walk over all rows that looks up each row by its indexes. */
export interface IndexCheck {
  begin(): void;
  /** Checks the next rows; undefined at the end of the walk. @throws ERR_STORE_UNAVAILABLE, or the driver's error. */
  next(): IndexSlice | undefined;
}

/** An open store, with its condition at opening. */
export interface OpenedStore extends Store {
  readonly condition: StoreCondition;
  /** The time of each transaction of plans until it is durable. Failed ones count too. */
  readonly commits: DurationTally;
  /** Undefined for PostgreSQL, whose own tools check indexes (`amcheck`). */
  readonly indexCheck?: IndexCheck;
  /** True if a page could not be read since the start: the requests that need it fail. */
  readonly hasUnreadablePage: boolean;
  /** The number of other processes of the broker that have the store open. Absent if there can be none. */
  otherBrokers?(): Promise<number>;
  /** @throws ERR_STORE_UNAVAILABLE, or the file system's error. */
  space(): Promise<StoreSpace>;
  /**
   * Copies the store to a new SQLite file while it stays in use. The copy is consistent: it has every commit up to its end, of PostgreSQL up to its begin.
   * @param progress gets the pages or rows that are done, and their number in all; 0 if that is not known
   * @throws ERR_STORE_UNAVAILABLE
   */
  copyTo(path: string, progress: (done: number, total: number) => void): Promise<void>;
}
