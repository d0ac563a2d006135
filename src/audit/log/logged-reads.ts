import type { LoggedRead, LoggedReads, ReadersWanted, UnreadPart } from '../../ports/audit-log.ts';
import { LOG_READS } from '../../ports/queries.ts';
import type { Query, RowReader } from '../../ports/store.ts';
import type { Tables } from '../../ports/tables.ts';
import type { LogReader } from './log-reader.ts';
import { sizeBefore } from './search.ts';
import { COVERAGE_KEY, parseCoverage, versionsIn } from './read-index.ts';

type Row = Tables['log_reads'];

const ROWS_A_READ = 1_000;
const POD = 'pod:';

/** The reads of a scope by the read index, and the parts of the log that the index does not cover. */
export async function loggedReads(
  store: RowReader,
  reader: LogReader,
  wanted: ReadersWanted,
): Promise<LoggedReads> {
  // The checkpoint is read first: the index that is read after it covers at least as much.
  const size = await reader.size();
  const row = await store.get('meta', { key: COVERAGE_KEY });
  const { first, end } = parseCoverage(row?.value) ?? { first: size, end: size };
  const begun = wanted.begunAt === undefined ? 0 : await sizeBefore(store, wanted.begunAt);
  const unread = [
    ...(first > begun ? await uncovered(reader, begun, first) : []),
    ...(end < size ? await uncovered(reader, end, size) : []),
  ];
  const reads: LoggedRead[] = [];
  for await (const each of rowsOf(store, queryOf(wanted))) reads.push(readOf(each));
  return { reads, unread };
}

/** The readers of a path, each with its first and last read; at most `limit`. */
export async function loggedReaders(
  store: RowReader,
  path: string,
  limit: number,
): Promise<readonly LoggedRead[]> {
  const rows = await store.list(LOG_READS.ofPath(path), { limit });
  return rows.map(readOf);
}

/** The archived and the live part of entries `[first, end)`. */
async function uncovered(
  { archived }: LogReader,
  first: number,
  end: number,
): Promise<readonly UnreadPart[]> {
  const live = Math.max(first, Math.min(end, await archived.end()));
  const gone = await archived.part(first, live);
  const rest = { first: live, end, objects: [], hasMore: false, isArchived: false };
  return [...(gone ? [{ ...gone, isArchived: true }] : []), ...(live < end ? [rest] : [])];
}

function queryOf({ kind, subject }: ReadersWanted): Query<'log_reads'> {
  switch (kind) {
    case 'pod':
    case 'token':
      return LOG_READS.ofReader(`${kind}:${subject}`);
    case 'workload':
    case 'operator':
      return LOG_READS.ofIdentity(subject);
    case 'node':
      return LOG_READS.ofNode(subject);
  }
}

async function* rowsOf(store: RowReader, query: Query<'log_reads'>): AsyncGenerator<Row> {
  for (let after: Row | undefined; ;) {
    const rows = await store.list(query, { limit: ROWS_A_READ, after });
    yield* rows;
    if (rows.length < ROWS_A_READ) return;
    after = rows.at(-1);
  }
}

function readOf(row: Row): LoggedRead {
  const [namespace = '', name = ''] = row.pod?.split('/') ?? [];
  return {
    path: row.path,
    identity: row.identity,
    ...(row.reader.startsWith(POD) && { podSubject: row.reader.slice(POD.length) }),
    ...(row.pod !== null && { pod: { namespace, name } }),
    ...(row.node !== null && { node: row.node }),
    versions: versionsIn(row),
    firstIndex: row.first_index,
    firstAt: row.first_at,
    lastIndex: row.last_index,
    lastAt: row.last_at,
  };
}
