import type { components } from '../../client/index.ts';
import type { Call, CliContext } from '../context.ts';
import { table } from '../output/table.ts';
import { UsageError } from '../usage-error.ts';
import { entryCells, ENTRY_COLUMNS } from './audit-entry.ts';
import { readAssignments, readJsonData } from './secret-values.ts';

type Found = components['schemas']['AuditEntry'];

interface TraceOptions {
  readonly fromJson?: string;
  readonly pathPrefix?: string;
  readonly from?: string;
  readonly to?: string;
  readonly limit: string;
}

const LONGEST_PAGE = 1_000;

/** Finds who was given a leaked value, which comes from a file, standard input or a prompt and is never an argument. */
export async function runAuditTrace(
  context: CliContext,
  { args: words, options }: Call<TraceOptions>,
): Promise<void> {
  const { fromJson, pathPrefix, from, to } = options;
  const wanted = Number(options.limit);
  if (!Number.isSafeInteger(wanted) || wanted < 1) throw new UsageError('--limit is a number');
  if ((words.length === 0) === (fromJson === undefined))
    throw new UsageError('trace needs either KEY=@FILE (or KEY=-) or --from-json FILE');
  const data =
    fromJson === undefined
      ? await readAssignments(context, words)
      : await readJsonData(context, fromJson);
  const asked = {
    data,
    limit: Math.min(wanted, LONGEST_PAGE),
    ...(pathPrefix !== undefined && { pathPrefix }),
    ...(from !== undefined && { from }),
    ...(to !== undefined && { to }),
  };
  const broker = await context.broker();
  const items: Found[] = [];
  let after: string | undefined;
  do {
    const page = { ...asked, ...(after !== undefined && { after }) };
    const { body } = await broker.call('traceAudit', { body: page });
    items.push(...(body.items as Found[]));
    after = body.next;
  } while (after !== undefined && items.length < wanted);
  const shown = items.slice(0, wanted);
  await context.output.show({ items: shown }, () => table(ENTRY_COLUMNS, shown.map(entryCells)));
}
