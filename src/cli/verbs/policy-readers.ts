import { isUnder } from '../../domain/words/names.ts';
import { allPages, type Broker } from '../connection/broker.ts';
import type { Call, CliContext } from '../connection/context.ts';
import { counted } from '../kernel/count.ts';
import { csv } from '../output/csv.ts';
import { table } from '../output/table.ts';
import { coverage } from './access-text.ts';
import { readingRules } from '../reports/reading-rules.ts';
import type { ComparedRequest } from '../reports/replay.ts';
import { periodSince, replay } from './policy-access.ts';

interface ReadersOptions {
  readonly since: string;
  readonly csv?: true;
}

/** A workload that read a secret, or the subjects of a rule that no workload used. */
interface Reader {
  readonly path: string;
  readonly who: string;
  /** The policy and rule by which it may read now; absent if none allows it. */
  readonly policy?: string | undefined;
  readonly rule?: string | undefined;
  readonly reads: number;
  readonly last?: string | undefined;
}

const COLUMNS = ['path', 'who', 'policy', 'rule', 'reads', 'last'] as const;

/** Lists for each secret who may read it and who did. */
export async function runPolicyReaders(
  context: CliContext,
  { args: [prefix], options }: Call<ReadersOptions>,
): Promise<void> {
  const period = periodSince(context, options.since);
  const broker = await context.broker();
  const replayed = await replay(context, { period, comparison: 'log' });
  const did = replayed.requests
    .filter(({ capability, before }) => capability === 'read' && before.effect === 'allow')
    .map(readerOf);
  const known = [...did.map(({ path }) => path), ...(await definedPaths(broker))];
  const paths = new Set(
    known.filter((path) => prefix === undefined || path === prefix || isUnder(path, prefix)),
  );
  const policies = await allPages(broker, 'listPolicies', { query: { limit: 1000 } });
  const may = readingRules(policies).filter(({ effect }) => effect === 'allow');
  const items = [...paths].toSorted().flatMap((path) => {
    const readers = did.filter((reader) => reader.path === path);
    const used = new Set(readers.map(({ policy, rule }) => JSON.stringify([policy, rule])));
    const unused = may
      .filter(
        ({ policy, rule, reaches }) => reaches(path) && !used.has(JSON.stringify([policy, rule])),
      )
      .map(({ subjects, policy, rule }): Reader => {
        return { path, who: subjects.join('; '), policy, rule, reads: 0 };
      });
    return [...readers, ...unused];
  });
  await context.output.show({ items }, () => {
    if (options.csv === true)
      return csv([COLUMNS, ...items.map((item) => COLUMNS.map((column) => item[column]))]);
    const rows = items.map((item) => COLUMNS.map((column) => item[column]));
    return [
      ...(rows.length === 0 ? [] : [table(COLUMNS, rows)]),
      counted(paths.size, 'secret'),
      coverage(replayed, period),
    ].join('\n');
  });
}

function readerOf({ path, workload, after, count, last }: ComparedRequest): Reader {
  const { effect, policy, rule } = after;
  const by = effect === 'allow' ? { policy, rule } : {};
  return { path, who: workload, ...by, reads: count, last };
}

async function definedPaths(broker: Broker): Promise<readonly string[]> {
  const definitions = await allPages(broker, 'listDefinitions', { query: { limit: 1000 } });
  return definitions.map(({ name }) => name);
}
