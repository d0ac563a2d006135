import type { components } from '../../client/index.ts';
import { filterQuery, type FilterOptions } from '../audit-filters.ts';
import { pagesLoosely } from '../broker.ts';
import type { Call, CliContext } from '../context.ts';
import { UsageError } from '../usage-error.ts';
import { table } from '../output/table.ts';
import { entryCells, ENTRY_COLUMNS } from './audit-entry.ts';

type Found = components['schemas']['AuditEntry'];

interface SearchOptions extends FilterOptions {
  readonly from?: string;
  readonly to?: string;
  readonly limit: string;
}

/** Entries that fit all filters, newest first. The search is recorded itself. */
export async function runAuditSearch(
  { broker, output }: CliContext,
  { options }: Call<SearchOptions>,
): Promise<void> {
  const wanted = Number(options.limit);
  if (!Number.isSafeInteger(wanted) || wanted < 1) throw new UsageError('--limit is a number');
  const { from, to } = options;
  const query = {
    ...filterQuery(options),
    ...(from !== undefined && { from }),
    ...(to !== undefined && { to }),
    limit: Math.min(wanted, 1000),
  };
  const items: Found[] = [];
  for await (const item of pagesLoosely(await broker(), 'searchAudit', { query })) {
    items.push(item as Found);
    if (items.length >= wanted) break;
  }
  await output.show({ items }, () => table(ENTRY_COLUMNS, items.map(entryCells)));
}
