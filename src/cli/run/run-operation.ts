import { OPERATIONS, type CallId, type ItemOf, type PagedId } from '../../client/index.ts';
import { allPages, callWith, type LooseInput } from '../connection/broker.ts';
import type { Cells, OperationRow } from './command.ts';
import type { Verb } from '../connection/context.ts';
import { fields, table } from '../output/table.ts';

type Given = Readonly<Record<string, unknown>>;

/** The most that the API returns in one page. */
const PAGE = 1000;

/** The code of a command that is a row of a table. */
export function operationVerb<Id extends CallId>(id: Id, row: OperationRow<Id>): Verb<Given> {
  return async (context, { args, options }) => {
    const { output } = context;
    const now = context.clock.now();
    const broker = await context.broker();
    const input = inputOf(id, row, args, options);
    if (isPaged(id) && 'columns' in row) {
      const items = (await allPages(broker, id as PagedId, input)) as readonly unknown[];
      await output.show({ items }, () =>
        columnsText(row.columns, items as readonly ItemOf<Id>[], now),
      );
      return;
    }
    const { body } = await callWith(broker, id, input);
    const view = (): string => {
      if ('text' in row) return row.text(body, args);
      if ('fields' in row) return fieldsText(row.fields, body as NonNullable<typeof body>, now);
      const { items } = body as unknown as { readonly items: readonly ItemOf<Id>[] };
      return columnsText(row.columns, items, now);
    };
    if ((body as unknown) === undefined) await output.say(view());
    else await output.show(body, view);
  };
}

function isPaged(id: CallId): boolean {
  const query: readonly string[] = OPERATIONS[id].query;
  return query.includes('after');
}

/** Sorts the input: arguments fill the path in its order; further arguments and the options go where the contract has their names. */
function inputOf(
  id: CallId,
  row: Pick<OperationRow<CallId>, 'arguments' | 'body'>,
  args: readonly string[],
  options: Given,
): LooseInput {
  const { path: template, query: names } = OPERATIONS[id];
  const query: readonly string[] = names;
  const parameters = [...template.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => name);
  const given: Record<string, unknown> = { ...options };
  for (const [index, [name]] of (row.arguments ?? []).entries()) given[bare(name)] = args[index];
  const paging = query.includes('limit') ? { limit: PAGE } : {};
  return {
    path: Object.fromEntries(parameters.map((name, index) => [name, args[index] ?? ''])),
    query: { ...picked(given, query), ...paging },
    ...(row.body !== undefined && { body: picked(given, row.body) }),
  };
}

function bare(name: string): string {
  return name.replace(/[<>[\].]/g, '');
}

function picked(given: Given, names: readonly string[]): Given {
  const found = names.filter((name) => given[name] !== undefined);
  return Object.fromEntries(found.map((name) => [name, given[name]]));
}

function columnsText<T>(columns: Cells<T>, items: readonly T[], now: number): string {
  const rows = items.map((item) => Object.values(columns).map((cell) => valueOf(cell, item)));
  return table(Object.keys(columns), rows, now);
}

function fieldsText<T>(cells: Cells<T>, body: T, now: number): string {
  const pairs = Object.entries(cells).map(([name, cell]) => [name, valueOf(cell, body)] as const);
  return fields(pairs, now);
}

function valueOf<T>(cell: Cells<T>[string], item: T): unknown {
  return typeof cell === 'function' ? cell(item) : item[cell];
}
