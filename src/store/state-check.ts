import { setImmediate as loopTurn } from 'node:timers/promises';
import { SetHash } from '../crypto/set-hash.ts';
import { constantTimeEqual } from '../crypto/digest.ts';
import { BrokerError } from '../domain/errors.ts';
import type { Store, TableName, Write } from '../ports/store.ts';
import type { Tables } from '../ports/tables.ts';
import { DIGESTED, SEALED, type DigestedTable } from './guarded-tables.ts';
import {
  nameOf,
  type DigestRow,
  type HeldRows,
  type RowGuard,
  type StoredRow,
} from './row-guard.ts';
import { shapeOf } from './schema.ts';

const PAGE = 500;
/** Other replicas may change rows while they are read. */
const ATTEMPTS = 16;
/** So many rows are named; the count says how many there are. */
const NAMED = 20;

/** What the log names for one kind of rows; `LoggedState` of the audit log. */
export interface LoggedDigests {
  get(kind: string): { readonly generation: number; readonly digest: string } | undefined;
}

/** The rows of one kind as they are. */
interface KindRows {
  readonly set: SetHash;
  readonly count: number;
  readonly unsealed: readonly string[];
}

export interface StateReport {
  /** Neither the store nor the log has any digest: the rows are from a release that made none. */
  readonly isNew: boolean;
  /** Per kind of rows, what is wrong with it; empty when the store is as it was left. */
  readonly problems: readonly HeldRows[];
}

/** Compares the rows with their digests, and the digests with the log. `logged` is read anew when another replica went on. */
export async function checkState(
  store: Store,
  guard: RowGuard,
  logged: () => Promise<LoggedDigests>,
): Promise<StateReport> {
  const first = await logged();
  const stored = await Promise.all(DIGESTED.map((kind) => digestOf(store, kind)));
  const isNew =
    stored.every((row) => row === undefined) &&
    DIGESTED.every((kind) => first.get(kind) === undefined);
  if (isNew) return { isNew, problems: [] };
  const problems: HeldRows[] = [];
  for (const kind of DIGESTED) problems.push(...(await checkKind(store, guard, { kind, logged })));
  return { isNew, problems };
}

interface Checked {
  readonly kind: DigestedTable;
  /** Undefined while the broker runs: the guard knows the newest generation. */
  readonly logged?: () => Promise<LoggedDigests>;
}

/** Compares the rows of every kind with their digests while the broker runs. @returns what is wrong. */
export async function checkRows(store: Store, guard: RowGuard): Promise<readonly HeldRows[]> {
  const problems: HeldRows[] = [];
  for (const kind of DIGESTED) problems.push(...(await checkKind(store, guard, { kind })));
  return problems;
}

async function checkKind(
  store: Store,
  guard: RowGuard,
  { kind, logged }: Checked,
): Promise<readonly HeldRows[]> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const before = await digestOf(store, kind);
    const log = await logged?.();
    const rows = await readKind(store, guard, { kind, rootKeyId: before?.root_key_id });
    const after = await digestOf(store, kind);
    if (after?.generation !== before?.generation) continue;
    if (before === undefined) return [behind(kind, 'its digest is missing')];
    if (!guard.isDigest(before)) return [differ(kind, 'its digest has no valid MAC')];
    const problem =
      (log && compareWithLog(guard, before, log.get(kind))) ??
      (await compareRows(store, before, rows));
    return problem === undefined ? [] : [problem];
  }
  throw new BrokerError('ERR_BUSY', undefined, { retryAfterSeconds: 1 });
}

function compareWithLog(
  guard: RowGuard,
  stored: DigestRow,
  named: { readonly generation: number; readonly digest: string } | undefined,
): HeldRows | undefined {
  const { kind, generation } = stored;
  const logged = named?.generation ?? 0;
  const isSame = named === undefined || named.digest === guard.shortDigest(stored);
  if (generation === logged && isSame) return undefined;
  const what = `the digest in the store is generation ${generation}, the log names ${logged}`;
  return generation < logged ? behind(kind, what) : differ(kind, what);
}

async function compareRows(
  store: Store,
  stored: DigestRow,
  rows: KindRows,
): Promise<HeldRows | undefined> {
  const { kind } = stored;
  if (rows.unsealed.length > 0) {
    return differ(
      kind,
      `${list(rows.unsealed)} ${rows.unsealed.length === 1 ? 'has' : 'have'} no valid MAC`,
    );
  }
  if (constantTimeEqual(rows.set.state(), stored.state) && rows.count === stored.count)
    return undefined;
  const names = kind === 'documents' ? await differingDocuments(store) : [];
  const counts = `there are ${rows.count} rows, the digest is over ${stored.count}`;
  return differ(kind, names.length === 0 ? counts : `${counts}; ${list(names)}`);
}

type Version = Tables['document_versions'];

/** Documents that are not the newest of their versions: what was most likely changed by hand. */
async function differingDocuments(store: Store): Promise<readonly string[]> {
  const newest = new Map<string, Version>();
  for await (const row of rowsOf(store, 'document_versions')) {
    const key = `${row.kind}/${row.name}`;
    if (isNewer(row, newest.get(key))) newest.set(key, row);
  }
  const names: string[] = [];
  for await (const { kind, name, uid, version } of rowsOf(store, 'documents')) {
    const key = `${kind}/${name}`;
    const last = newest.get(key);
    newest.delete(key);
    if (isHead(last, uid, version)) continue;
    names.push(
      `${key} is version ${version}, the last one written is ${last?.version ?? 'not there'}`,
    );
  }
  for (const [key, { body }] of newest) if (body !== null) names.push(`${key} is missing`);
  return names;
}

function isNewer(row: Version, known: Version | undefined): boolean {
  if (known === undefined || row.created_at > known.created_at) return true;
  return row.uid === known.uid && row.version > known.version;
}

function isHead(last: Version | undefined, uid: string, version: number): boolean {
  return last?.uid === uid && last.version === version && last.body !== null;
}

/** Reads all rows of one kind. Without `rootKeyId`, under the active root key. */
async function readKind(
  store: Store,
  guard: RowGuard,
  { kind, rootKeyId }: { readonly kind: DigestedTable; readonly rootKeyId: string | undefined },
): Promise<KindRows> {
  const set = SetHash.empty();
  const unsealed: string[] = [];
  let count = 0;
  for await (const row of rowsOf(store, kind)) {
    const stored = row as unknown as StoredRow;
    if (!guard.isSealed(kind, stored)) unsealed.push(nameOf(kind, stored));
    set.add(guard.element(rootKeyId, kind, stored));
    count += 1;
  }
  return { set, count, unsealed };
}

/**
 * Seals the rows of an earlier release and makes the first digests, in one commit: a crash leaves all of it or nothing.
 * `entry`: the body of its audit entry.
 */
export async function adoptState(store: Store, guard: RowGuard, entry: string): Promise<void> {
  const writes: Write[] = [];
  for (const table of SEALED) {
    for await (const row of rowsOf(store, table)) {
      if ((row as { mac?: unknown }).mac === null) writes.push(reseal(table, row));
    }
  }
  const digests: DigestRow[] = [];
  for (const kind of DIGESTED) {
    const set = SetHash.empty();
    let count = 0;
    for await (const row of rowsOf(store, kind)) {
      const stored = row as unknown as StoredRow;
      set.add(guard.element(undefined, kind, SEALED.has(kind) ? guard.seal(kind, stored) : stored));
      count += 1;
    }
    digests.push(guard.sealDigest(kind, { generation: 1, count, set }));
  }
  await commitDigests(store, guard, { digests, writes, entry });
}

/** The digests of a store without rows: those of a new installation. */
export function emptyDigests(guard: RowGuard): readonly Write[] {
  const set = SetHash.empty();
  return DIGESTED.map((kind) => ({
    table: 'state_digests',
    put: guard.sealDigest(kind, { generation: 0, count: 0, set }),
  }));
}

interface NewDigests {
  readonly digests: readonly DigestRow[];
  readonly writes: readonly Write[];
  readonly entry: string;
}

async function commitDigests(store: Store, guard: RowGuard, made: NewDigests): Promise<void> {
  const { digests, writes, entry } = made;
  const entries = guard.withState([entry], guard.member(digests));
  const [kind] = DIGESTED;
  const outcome = await store.commit({
    expect: [{ table: 'state_digests', key: { kind }, absent: true }],
    writes: [...writes, ...digests.map((put): Write => ({ table: 'state_digests', put }))],
    entries,
  });
  // Another replica that started at the same time was faster.
  if (outcome.status === 'conflict') return;
  if (outcome.status !== 'committed') throw new BrokerError('ERR_BUSY');
}

/**
 * An operator accepts the rows as they are. Every row must have a valid MAC. @returns the new digests.
 * @throws ERR_HELD for rows that no key of this installation sealed.
 */
export async function acceptState(
  store: Store,
  guard: RowGuard,
  { logged, entry }: { readonly logged: LoggedDigests; readonly entry: string },
): Promise<readonly DigestRow[]> {
  const writes: Write[] = [];
  const digests: DigestRow[] = [];
  for (const kind of DIGESTED) {
    const { set, count, unsealed } = await readKind(store, guard, { kind, rootKeyId: undefined });
    if (unsealed.length > 0) {
      throw new BrokerError(
        'ERR_HELD',
        `${list(unsealed)} cannot be accepted: no key of this installation made the MAC; delete the rows, then release again`,
      );
    }
    const before = await digestOf(store, kind);
    const generation = Math.max(before?.generation ?? 0, logged.get(kind)?.generation ?? 0) + 1;
    digests.push(guard.sealDigest(kind, { generation, count, set }));
  }
  for (const put of digests) writes.push({ table: 'state_digests', put });
  await store.commit({ writes, entries: guard.withState([entry], guard.member(digests)) });
  return digests;
}

function reseal(table: TableName, row: StoredRow): Write {
  const key = Object.fromEntries(shapeOf(table).key.map((column) => [column, row[column]]));
  return { table, key, change: { mac: null } } as unknown as Write;
}

async function digestOf(store: Store, kind: DigestedTable): Promise<DigestRow | undefined> {
  return store.get('state_digests', { kind });
}

/** Every row of a table, a page at a time; others are answered in between. */
export async function* rowsOf<T extends TableName>(
  store: Store,
  table: T,
): AsyncGenerator<Tables[T]> {
  let after: Partial<Tables[T]> | undefined;
  for (;;) {
    const rows = await store.list(table, { limit: PAGE, ...(after && { after }) });
    yield* rows;
    const last = rows.at(-1);
    if (last === undefined || rows.length < PAGE) return;
    await loopTurn();
    after = Object.fromEntries(
      shapeOf(table).key.map((column) => [column, last[column as keyof Tables[T]]]),
    ) as Partial<Tables[T]>;
  }
}

function behind(kind: string, what: string): HeldRows {
  return { reason: 'rows_behind', what: `${kind}: ${what}` };
}

function differ(kind: string, what: string): HeldRows {
  return { reason: 'rows_differ', what: `${kind}: ${what}` };
}

function list(names: readonly string[]): string {
  const more = names.length - NAMED;
  return names.slice(0, NAMED).join(', ') + (more > 0 ? ` and ${more} more` : '');
}
