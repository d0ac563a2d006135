import { setImmediate as loopTurn } from 'node:timers/promises';
import { SetHash } from '../../crypto/hashes/set-hash.ts';
import { constantTimeEqual } from '../../crypto/hashes/digest.ts';
import { BrokerError } from '../../domain/errors.ts';
import type { KeyOf, Store, TableName } from '../../ports/store.ts';
import type { Tables } from '../../ports/tables.ts';
import {
  nameOf,
  type DigestChange,
  type DigestRow,
  type RowGuard,
  type StoredRow,
} from './row-guard.ts';
import { readPages, type KeepMatched, type MatchedRows } from './state-check.ts';

/** The kinds of rows that take effect in a running broker as soon as they are written. */
const LIVE = ['documents', 'operator_tokens'] as const;
type LiveTable = (typeof LIVE)[number];

const ATTEMPTS = 16;

/** The rows that a digest covers: their set-hash elements by row name. */
interface Mirror {
  readonly generation: number;
  readonly set: SetHash;
  readonly elements: Map<string, string>;
}

/** All documents at one generation of their digest. */
interface MatchedDocuments {
  readonly generation: number;
  readonly rows: readonly StoredRow[];
}

/**
 * Returns a row only if the digest covers it. A copy of an earlier row has a valid MAC. On a database with other writers, such a copy must never take
 * effect.
 */
export class LiveRows implements KeepMatched {
  readonly kinds = LIVE;
  readonly #store: Store;
  readonly #guard: RowGuard;
  readonly #mirrors = new Map<LiveTable, Mirror>();
  /** The documents that the check at the start read; dropped at their first use. */
  #matched: MatchedDocuments | undefined;
  #work: Promise<unknown> = Promise.resolve();

  constructor(store: Store, guard: RowGuard) {
    this.#store = store;
    this.#guard = guard;
    guard.onChange((change) => this.#apply(change));
  }

  /** Takes the rows that the check at the start compared with their digest, so that they are not read again. */
  take(table: TableName, { digest, rows, elements }: MatchedRows): void {
    if (!isLive(table)) return;
    const { generation } = digest;
    this.#mirrors.set(table, { generation, set: SetHash.from(digest.state), elements });
    if (table === 'documents') this.#matched = { generation, rows };
  }

  /** All documents, compared with their digest. @throws ERR_CIPHERTEXT_INVALID, and holds the store, if they differ; ERR_BUSY. */
  documents(): Promise<readonly Tables['documents'][]> {
    const found = this.#work.then(async () => {
      const matched = this.#matched;
      this.#matched = undefined;
      const { generation } = await this.#digest('documents');
      return matched?.generation === generation ? matched.rows : this.#reload('documents');
    });
    this.#work = found.catch(() => undefined);
    return found as Promise<readonly unknown[]> as Promise<readonly Tables['documents'][]>;
  }

  /**
   * Reads a row as `Store.get` does. @throws ERR_CIPHERTEXT_INVALID, and holds the store, for a row that differs from the broker's last write;
   * ERR_BUSY.
   */
  get<T extends TableName>(table: T, key: KeyOf<T>): Promise<Tables[T] | undefined> {
    if (!isLive(table)) return this.#store.get(table, key);
    const found = this.#work.then(() => this.#current(table, key as StoredRow));
    this.#work = found.catch(() => undefined);
    return found as Promise<Tables[T] | undefined>;
  }

  /** Follows a commit of this process, which may have changed many rows at once. */
  #apply({ before, after, elements: changed }: DigestChange): void {
    const table = after.kind as LiveTable;
    const mirror = this.#mirrors.get(table);
    if (mirror === undefined || !constantTimeEqual(mirror.set.state(), before.state)) return;
    const { elements } = mirror;
    for (const [name, element] of changed) {
      if (element === undefined) elements.delete(name);
      else elements.set(name, element);
    }
    const { generation, state } = after;
    this.#mirrors.set(table, { generation, set: SetHash.from(state), elements });
  }

  async #current(table: LiveTable, key: StoredRow): Promise<StoredRow | undefined> {
    const name = nameOf(table, key);
    let differed: number | undefined;
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      const row = (await this.#store.get(table, key)) as StoredRow | undefined;
      const digest = await this.#digest(table);
      const element = row && this.#guard.element(digest.root_key_id, table, row);
      const mirror = this.#mirrors.get(table);
      // A commit finished after this digest was read, so the digest is outdated.
      if (mirror !== undefined && digest.generation < mirror.generation) continue;
      if (mirror?.generation !== digest.generation) {
        if (mirror !== undefined && this.#follow(table, mirror, { name, element, digest }))
          return row;
        await this.#reload(table);
        continue;
      }
      if (mirror.elements.get(name) === element) return row;
      // The row may have been read before a commit that memory already includes. Read it once more.
      if (differed === digest.generation) {
        const what = `${name} is not the row that the broker wrote last`;
        throw this.#guard.hold({ reason: 'rows_differ', kind: table, what, count: 1 });
      }
      differed = digest.generation;
    }
    throw new BrokerError('ERR_BUSY', undefined, { retryAfterSeconds: 1 });
  }

  /** Applies this row to memory if the newer digest differs from memory by this row alone. Returns whether it does. */
  #follow(
    table: LiveTable,
    mirror: Mirror,
    { name, element, digest }: { name: string; element: string | undefined; digest: DigestRow },
  ): boolean {
    const set = SetHash.from(mirror.set.state());
    const before = mirror.elements.get(name);
    if (before !== undefined) set.remove(before);
    if (element !== undefined) set.add(element);
    if (!constantTimeEqual(set.state(), digest.state)) return false;
    const { elements } = mirror;
    if (element === undefined) elements.delete(name);
    else elements.set(name, element);
    this.#mirrors.set(table, { generation: digest.generation, set, elements });
    return true;
  }

  async #reload(table: LiveTable): Promise<readonly StoredRow[]> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      const digest = await this.#digest(table);
      const set = SetHash.empty();
      const elements = new Map<string, string>();
      const rows: StoredRow[] = [];
      for await (const page of readPages(this.#store, table)) {
        for (const row of page as readonly unknown[] as readonly StoredRow[]) {
          const element = this.#guard.element(digest.root_key_id, table, row);
          set.add(element);
          elements.set(nameOf(table, row), element);
          rows.push(row);
        }
      }
      const { generation } = await this.#digest(table);
      if (generation === digest.generation) {
        if (!constantTimeEqual(set.state(), digest.state)) {
          const what = `${table}: there are ${elements.size} rows, the digest is over ${digest.count}`;
          throw this.#guard.hold({ reason: 'rows_differ', kind: table, what, count: 1 });
        }
        this.#mirrors.set(table, { generation, set, elements });
        return rows;
      }
      await loopTurn();
    }
    throw new BrokerError('ERR_BUSY', undefined, { retryAfterSeconds: 1 });
  }

  async #digest(kind: LiveTable): Promise<DigestRow> {
    const least = this.#guard.generationOf(kind);
    return this.#guard.accept(kind, await this.#store.get('state_digests', { kind }), least);
  }
}

function isLive(table: TableName): table is LiveTable {
  return (LIVE as readonly TableName[]).includes(table);
}
