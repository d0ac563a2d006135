import { setImmediate as loopTurn } from 'node:timers/promises';
import { SetHash } from '../../crypto/hashes/set-hash.ts';
import { constantTimeEqual } from '../../crypto/hashes/digest.ts';
import { BrokerError } from '../../domain/errors.ts';
import type { Store, TableName, Write } from '../../ports/store.ts';
import type { DigestedTable, Tables } from '../../ports/tables.ts';
import { allRows } from '../../ports/queries.ts';
import { DIGESTED } from './guarded-tables.ts';
import {
  nameOf,
  type DigestRow,
  type HeldRows,
  type NamedDigest,
  type RowGuard,
  type StoredRow,
} from './row-guard.ts';

/** Most rows between two turns of the event loop: about 2 ms. */
const PAGE = 128;
/** Rows of a first page. Its rows may be documents of 512 KiB. */
const FIRST_PAGE = 8;
/** Text of a page after which the next page has fewer rows: about 2 ms. */
const LARGE_PAGE = 500_000;
/** A kind with more rows may be compared after the start. So many take 0.2 s. */
const MOST_AT_START = 10_000;
/** Retries, because other replicas may change rows during the read. */
const ATTEMPTS = 16;
/** The number of rows that a report names. Its count covers all of them. */
const NAMED = 20;

/** The digest that the log names for one kind of rows; `LoggedState` of the audit log. */
export interface LoggedDigests {
  get(kind: string): { readonly generation: number; readonly digest: string } | undefined;
}

/** All rows of a kind, which its digest covers. */
export interface MatchedRows {
  readonly digest: DigestRow;
  readonly rows: readonly StoredRow[];
  /** The elements of the rows, by row name. */
  readonly elements: Map<string, string>;
}

/** Keeps the rows of some kinds after the check, so that they need not be read again. */
export interface KeepMatched {
  readonly kinds: readonly TableName[];
  readonly take: (kind: TableName, matched: MatchedRows) => void;
}

/** The current rows of one kind. */
interface KindRows {
  readonly set: SetHash;
  readonly count: number;
  /** Rows without a valid MAC. */
  readonly withoutMac: readonly string[];
}

export interface StateReport {
  /** Neither the store nor the log has a digest: the installation is new. */
  readonly isNew: boolean;
  /** The problems of each kind of rows; empty if the store is as the broker left it. */
  readonly problems: readonly HeldRows[];
  /** Digests that are those of the log, and whose rows are not compared yet. */
  readonly deferred: readonly DigestRow[];
}

interface StateChecked {
  readonly logged: () => Promise<LoggedDigests>;
  readonly keep?: KeepMatched;
  /** Kinds whose rows may be compared later, if there are many. */
  readonly later?: readonly DigestedTable[];
}

/** Compares the rows with their digests, and the digests with the log. It reads `logged` again if another replica has committed since. */
export async function checkState(
  store: Store,
  guard: RowGuard,
  { logged, keep, later = [] }: StateChecked,
): Promise<StateReport> {
  const before = await readDigests(store, guard);
  if (hasNoDigest(before, await logged())) return { isNew: true, problems: [], deferred: [] };
  const comparisons = new Map<DigestedTable, Comparison>();
  const deferred: DigestRow[] = [];
  for (const kind of DIGESTED) {
    const stored = before(kind);
    const { digest } = stored;
    if (later.includes(kind) && isOfMany(guard, digest))
      comparisons.set(kind, () =>
        Promise.resolve({ digest, take: () => void deferred.push(digest) }),
      );
    else comparisons.set(kind, await readKind(store, guard, { kind, stored, keep }));
  }
  const after = await readDigests(store, guard);
  // The log is read once for all kinds, because a reading takes time for each boot of the installation. A commit after the digests were read and before
  // this reading makes its kind differ, and only this kind is checked again.
  const last = await logged();
  const problems: HeldRows[] = [];
  for (const kind of DIGESTED) {
    const compared = await comparisons.get(kind)?.(after(kind).digest);
    if (compared === undefined || 'problem' in compared || !isLogged(guard, compared.digest, last))
      problems.push(...(await checkKind(store, guard, { kind, logged, keep })));
    else compared.take();
  }
  return { isNew: false, problems, deferred };
}

function hasNoDigest(stored: StoredDigests, logged: LoggedDigests): boolean {
  return DIGESTED.every(
    (kind) => stored(kind).digest === undefined && logged.get(kind) === undefined,
  );
}

/** True for a valid digest over so many rows that they are compared later. */
function isOfMany(guard: RowGuard, digest: DigestRow | undefined): digest is DigestRow {
  return digest !== undefined && digest.count > MOST_AT_START && guard.isDigest(digest);
}

function isLogged(guard: RowGuard, digest: DigestRow, logged: LoggedDigests): boolean {
  return compareWithLog(guard, digest, logged.get(digest.kind)) === undefined;
}

interface Checked {
  readonly kind: DigestedTable;
  /** Undefined while the broker runs, because the guard then knows the newest generation. */
  readonly logged?: () => Promise<LoggedDigests>;
  readonly keep?: KeepMatched | undefined;
}

/** Compares the rows of kinds with their digests while the broker runs. @returns the problems. */
export async function checkRows(
  store: Store,
  guard: RowGuard,
  kinds = DIGESTED,
): Promise<readonly HeldRows[]> {
  const problems: HeldRows[] = [];
  for (const kind of kinds) problems.push(...(await checkKind(store, guard, { kind })));
  return problems;
}

async function checkKind(
  store: Store,
  guard: RowGuard,
  checked: Checked,
): Promise<readonly HeldRows[]> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const compared = await compareKind(store, guard, checked);
    if (compared === undefined) continue;
    if ('problem' in compared) return [compared.problem];
    compared.take();
    return [];
  }
  throw new BrokerError('ERR_BUSY', undefined, { retryAfterSeconds: 1 });
}

type Compared =
  | { readonly problem: HeldRows }
  /** `take` passes the rows to `keep`. */
  | { readonly digest: DigestRow; readonly take: () => void };

/** Compares rows with their digest, given the digest after they were read. Undefined if another replica changed rows during the read. */
type Comparison = (
  after: DigestRow | undefined,
  log?: LoggedDigests,
) => Promise<Compared | undefined>;

/** Undefined if another replica changed rows during the read. */
async function compareKind(
  store: Store,
  guard: RowGuard,
  { kind, logged, keep }: Checked,
): Promise<Compared | undefined> {
  const least = guard.generationOf(kind);
  const digest = await readDigest(store, kind);
  const log = await logged?.();
  const compare = await readKind(store, guard, { kind, stored: { digest, least }, keep });
  return compare(await readDigest(store, kind), log);
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

/** The digest covers the MAC of each row too. So rows that match it have their MACs, which are checked only to name rows that differ. */
async function compareRows(
  store: Store,
  guard: RowGuard,
  stored: DigestRow,
  { set, count }: Pick<KindRows, 'set' | 'count'>,
): Promise<HeldRows | undefined> {
  const kind = stored.kind as DigestedTable;
  if (constantTimeEqual(set.state(), stored.state) && count === stored.count) return undefined;
  const { withoutMac } = await readMacs(store, guard, kind);
  if (withoutMac.length > 0) return rowsWithoutMac(kind, withoutMac);
  const names = kind === 'documents' ? await differingDocuments(store) : [];
  const counts = `there are ${count} rows, the digest is over ${stored.count}`;
  const what = names.length === 0 ? counts : `${counts}; ${list(names)}`;
  return differ(kind, what, Math.max(names.length, 1));
}

type Version = Tables['document_versions'];

/** Returns documents that differ from their newest version. Most likely they were changed by hand. */
async function differingDocuments(store: Store): Promise<readonly string[]> {
  const newest = new Map<string, Version>();
  for await (const page of readPages(store, 'document_versions')) {
    for (const row of page) {
      const key = `${row.kind}/${row.name}`;
      if (isNewer(row, newest.get(key))) newest.set(key, row);
    }
  }
  const names: string[] = [];
  for await (const page of readPages(store, 'documents')) {
    for (const { kind, name, uid, version } of page) {
      const key = `${kind}/${name}`;
      const last = newest.get(key);
      newest.delete(key);
      if (isHead(last, uid, version)) continue;
      names.push(
        `${key} is version ${version}, the last one written is ${last?.version ?? 'not there'}`,
      );
    }
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

/** Rows that a read collects. */
interface FoundRows {
  readonly rows: StoredRow[];
  readonly elements: Map<string, string>;
}

interface KindRead {
  readonly kind: DigestedTable;
  readonly stored: StoredDigest;
  readonly keep: KeepMatched | undefined;
}

/** Undefined for a kind whose rows are not kept. */
function foundRows(kind: DigestedTable, keep: KeepMatched | undefined): FoundRows | undefined {
  return keep?.kinds.includes(kind) === true ? { rows: [], elements: new Map() } : undefined;
}

/** Reads all rows of one kind, under the root key of the digest before them. @returns the comparison with the digest after them. */
async function readKind(
  store: Store,
  guard: RowGuard,
  { kind, stored, keep }: KindRead,
): Promise<Comparison> {
  const found = foundRows(kind, keep);
  const before = stored.digest;
  const set = SetHash.empty();
  let count = 0;
  for await (const page of readPages(store, kind)) {
    for (const row of page) {
      const element = guard.element(before?.root_key_id, kind, row);
      set.add(element);
      found?.rows.push(row);
      found?.elements.set(nameOf(kind, row), element);
    }
    count += page.length;
  }
  return async (after, log) => {
    if (after?.generation !== before?.generation) return undefined;
    const checked = guard.checkDigest(kind, before, stored.least);
    if ('problem' in checked) return checked;
    const { digest } = checked;
    const problem =
      (log && compareWithLog(guard, digest, log.get(kind))) ??
      (await compareRows(store, guard, digest, { set, count }));
    if (problem !== undefined) return { problem };
    return { digest, take: () => found && keep?.take(kind, { digest, ...found }) };
  };
}

/** Reads all rows of one kind for a new digest under the active root key, and checks the MAC of each. */
async function readMacs(store: Store, guard: RowGuard, kind: DigestedTable): Promise<KindRows> {
  const set = SetHash.empty();
  const withoutMac: string[] = [];
  let count = 0;
  for await (const page of readPages(store, kind)) {
    for (const row of page) {
      const stored = row as unknown as StoredRow;
      if (!guard.hasMac(kind, stored)) withoutMac.push(nameOf(kind, stored));
      set.add(guard.element(undefined, kind, stored));
    }
    count += page.length;
  }
  return { set, count, withoutMac };
}

/**
 * Writes the first digests of a new installation in one commit. They cover no rows, so a row that is there already differs from its digest. `entry` is
 * the body of the commit's audit entry.
 */
export async function createDigests(store: Store, guard: RowGuard, entry: string): Promise<void> {
  const digests = DIGESTED.map((kind) =>
    guard.createDigest(kind, { generation: 1, count: 0, set: SetHash.empty() }),
  );
  const outcome = await store.commit({
    expect: digests.map(({ kind }) => ({ table: 'state_digests', key: { kind }, absent: true })),
    writes: digests.map((put): Write => ({ table: 'state_digests', put })),
    entries: guard.withState([entry], guard.member(digests)),
  });
  // Another replica that started at the same time committed first.
  if (outcome.status === 'conflict') return;
  if (outcome.status !== 'committed') throw new BrokerError('ERR_BUSY');
}

/**
 * Returns the digests of all rows for the manifest of a backup. A store restored from the backup has these digests, and the log of the backup names
 * the same ones. It reads the copy, not the running store.
 * @throws ERR_CIPHERTEXT_INVALID if a digest is missing or forged.
 */
export async function manifestDigests(
  store: Store,
  guard: RowGuard,
): Promise<readonly NamedDigest[]> {
  const rows = await Promise.all(DIGESTED.map((kind) => readDigest(store, kind)));
  return DIGESTED.map((kind, index) => guard.named(guard.accept(kind, rows[index])));
}

/**
 * Accepts the current rows on behalf of an operator. Every row must have a valid MAC.
 * @returns the new digests.
 * @throws ERR_HELD for rows whose MAC no key of this installation made.
 */
export async function acceptState(
  store: Store,
  guard: RowGuard,
  { logged, entry }: { readonly logged: LoggedDigests; readonly entry: string },
): Promise<readonly DigestRow[]> {
  const writes: Write[] = [];
  const digests: DigestRow[] = [];
  for (const kind of DIGESTED) {
    const { set, count, withoutMac } = await readMacs(store, guard, kind);
    if (withoutMac.length > 0) {
      throw new BrokerError(
        'ERR_HELD',
        `${list(withoutMac)} cannot be accepted: no key of this installation made the MAC; delete the rows, then release again`,
      );
    }
    const before = await readDigest(store, kind);
    const generation = Math.max(before?.generation ?? 0, logged.get(kind)?.generation ?? 0) + 1;
    digests.push(guard.createDigest(kind, { generation, count, set }));
  }
  for (const put of digests) writes.push({ table: 'state_digests', put });
  await store.commit({ writes, entries: guard.withState([entry], guard.member(digests)) });
  return digests;
}

async function readDigest(store: Store, kind: DigestedTable): Promise<DigestRow | undefined> {
  return store.get('state_digests', { kind });
}

/** A digest as it is in the store, and the generation that the guard knew before it was read. */
interface StoredDigest {
  readonly digest: DigestRow | undefined;
  readonly least: number;
}

type StoredDigests = (kind: DigestedTable) => StoredDigest;

/**
 * Reads the digests of all kinds in one query: a start waits once for a distant database, not for each kind. If foreign rows fill the page, a digest seems to
 * be missing, and `checkKind` reads it by its key.
 */
async function readDigests(store: Store, guard: RowGuard): Promise<StoredDigests> {
  const least = new Map(DIGESTED.map((kind) => [kind, guard.generationOf(kind)]));
  const rows = await store.list(allRows('state_digests'), { limit: PAGE });
  const digests = new Map(rows.map((row) => [row.kind, row]));
  return (kind) => ({ digest: digests.get(kind), least: least.get(kind) ?? 0 });
}

/**
 * Reads every row of a table in pages. The process handles other requests in between. Single rows would take a promise for each of ten thousand
 * documents.
 */
export async function* readPages<T extends TableName>(
  store: Store,
  table: T,
): AsyncGenerator<readonly Tables[T][]> {
  let after: Tables[T] | undefined;
  for (let limit = FIRST_PAGE; ;) {
    const rows: readonly Tables[T][] = await store.list(allRows(table), { limit, after });
    yield rows;
    after = rows.at(-1);
    if (after === undefined || rows.length < limit) return;
    limit = isLarge(rows) ? Math.ceil(limit / 2) : Math.min(2 * limit, PAGE);
    await loopTurn();
  }
}

function isLarge(rows: readonly object[]): boolean {
  let left = LARGE_PAGE;
  for (const row of rows)
    for (const value of Object.values(row)) if (typeof value === 'string') left -= value.length;
  return left < 0;
}

function behind(kind: string, what: string): HeldRows {
  return { reason: 'rows_behind', kind: kind as TableName, what: `${kind}: ${what}`, count: 1 };
}

function differ(kind: string, what: string, count = 1): HeldRows {
  return { reason: 'rows_differ', kind: kind as TableName, what: `${kind}: ${what}`, count };
}

function rowsWithoutMac(kind: string, withoutMac: readonly string[]): HeldRows {
  const verb = withoutMac.length === 1 ? 'has' : 'have';
  return differ(kind, `${list(withoutMac)} ${verb} no valid MAC`, withoutMac.length);
}

function list(names: readonly string[]): string {
  const more = names.length - NAMED;
  return names.slice(0, NAMED).join(', ') + (more > 0 ? ` and ${more} more` : '');
}
