import type { components } from '../../client/index.ts';
import { leafHash } from '../../crypto/log/merkle.ts';
import { asciiJson } from '../../domain/audit/formats/log-record.ts';
import { LOG_FORMATS, type LogFormat } from '../../domain/audit/formats/format-names.ts';
import { formatEntry } from '../../domain/audit/formats/log-format.ts';
import { filterQuery, type FilterOptions } from '../input/audit-filters.ts';
import { callWith } from '../connection/broker.ts';
import type { Call, CliContext } from '../connection/context.ts';
import { defined } from '../kernel/defined.ts';
import { UsageError } from '../kernel/errors.ts';
import { periodOf, type PeriodOptions } from '../kernel/time.ts';
import { table } from '../output/table.ts';
import { archivedNote } from './audit-archive.ts';
import { entryCells, ENTRY_COLUMNS } from './audit-entry.ts';
import { readSecretData, type ValueFiles } from '../input/secret-values.ts';

type Found = components['schemas']['AuditEntry'];

const LONGEST_PAGE = 1_000;

interface ListOptions extends PeriodOptions {
  readonly limit: string;
}

type SearchOptions = FilterOptions & ListOptions & { readonly format?: string };

/** Lists the entries that match all filters, newest first. The log records the search too. */
export async function runAuditSearch(
  { broker, output, clock }: CliContext,
  { options: { format: asked, ...options } }: Call<SearchOptions>,
): Promise<void> {
  const format = asked === undefined ? undefined : formatOf(asked);
  const wanted = countOf(options.limit);
  const limit = Math.min(wanted, LONGEST_PAGE);
  const query = { ...filterQuery(options), ...periodOf(options, clock.now()), limit };
  const client = await broker();
  const found = await collect(wanted, async (after) => {
    const page = { query: { ...query, ...defined({ after }) } };
    return (await callWith(client, 'searchAudit', page)).body;
  });
  if (format === undefined) await show(output, found);
  else {
    const { body: checkpoint } = await client.call('readCheckpoint');
    const [origin = ''] = checkpoint.split('\n');
    const lines = found.items.map((item) => lineOf(format, origin, item));
    await output.show({ lines }, () => lines.join('\n'));
  }
}

/** @throws UsageError */
function formatOf(text: string): LogFormat {
  const format = LOG_FORMATS.find((each) => each === text);
  if (format === undefined) throw new UsageError(`--format is ${LOG_FORMATS.join(', ')}`);
  return format;
}

function lineOf(format: LogFormat, origin: string, { index, entry: found }: Found): string {
  const entry = asciiJson(found);
  const hash = leafHash(Buffer.from(entry)).toString('hex');
  return formatEntry(format, { origin, index, entry, leafHash: hash });
}

interface TraceOptions extends ListOptions, Pick<ValueFiles, 'fromJson'> {
  readonly pathPrefix?: string;
}

/** Finds the callers that received a leaked value, which comes from a file, standard input or a prompt. */
export async function runAuditTrace(
  context: CliContext,
  { args: words, options }: Call<TraceOptions>,
): Promise<void> {
  const { pathPrefix } = options;
  const period = periodOf(options, context.clock.now());
  const wanted = countOf(options.limit);
  const data = await readSecretData(context, 'trace', words, options);
  const limit = Math.min(wanted, LONGEST_PAGE);
  const question = { data, limit, ...period, ...defined({ pathPrefix }) };
  const broker = await context.broker();
  const found = await collect(wanted, async (after) => {
    const page = { ...question, ...defined({ after }) };
    return (await broker.call('traceAudit', { body: page })).body;
  });
  await show(context.output, found);
}

type Page = components['schemas']['AuditPage'];

/** Reads pages until there are as many entries as wanted. */
async function collect(
  wanted: number,
  read: (after: string | undefined) => Promise<Page>,
): Promise<Pick<Page, 'items' | 'archived'>> {
  const items: Found[] = [];
  let page: Page | undefined;
  do {
    page = await read(page?.next);
    items.push(...page.items);
  } while (page.next !== undefined && items.length < wanted);
  return { items: items.slice(0, wanted), ...defined({ archived: page.archived }) };
}

function countOf(limit: string): number {
  const count = Number(limit);
  if (!Number.isSafeInteger(count) || count < 1) {
    throw new UsageError('--limit must be a whole number from 1');
  }
  return count;
}

async function show(
  output: CliContext['output'],
  { items, archived }: Pick<Page, 'items' | 'archived'>,
): Promise<void> {
  const body = { items, ...defined({ archived }) };
  await output.show(body, () => table(ENTRY_COLUMNS, items.map(entryCells)));
  if (archived !== undefined) output.note(archivedNote(archived));
}
