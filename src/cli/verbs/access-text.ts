import { counted } from '../kernel/count.ts';
import { coloured } from '../output/output.ts';
import { table } from '../output/table.ts';
import { decisionText, type AccessChanges } from '../reports/access-changes.ts';
import type {
  ComparedRequest,
  Comparison,
  Period,
  Replayed,
  WidenedGrant,
} from '../reports/replay.ts';

export function accessJson(
  { loses, gains, unknown, unchanged, widened }: AccessChanges,
  { skipped, entries, knownSince }: Replayed,
  period: Period,
): object {
  const skippedList = [...skipped].map(([reason, count]) => ({ reason, count }));
  const log = { ...period, entries, ...(knownSince !== undefined && { knownSince }) };
  return { loses, gains, unknown, unchanged, widened, skipped: skippedList, log };
}

/** Tables for people, and then a line that sums up. */
export function accessText(
  changes: AccessChanges,
  replayed: Replayed,
  { period, comparison }: { readonly period: Period; readonly comparison: Comparison },
): string {
  const { loses, gains, unknown, widened } = changes;
  return [
    ...section(coloured('red', 'would be denied, but was allowed:'), loses, comparison),
    ...section(coloured('green', 'would be allowed, but was denied:'), gains, comparison),
    ...section(
      coloured('yellow', 'cannot be decided, because the log lacks a fact that a rule needs:'),
      unknown,
      comparison,
    ),
    ...(widened.length === 0
      ? []
      : ['wider than before, although no request uses it yet:', widenedTable(widened), '']),
    summary(changes),
    coverage(replayed, period),
  ].join('\n');
}

const HEADER = ['workload', 'capability', 'path', 'requests', 'live', 'last', 'before', 'after'];

function section(
  title: string,
  requests: readonly ComparedRequest[],
  comparison: Comparison,
): readonly string[] {
  if (requests.length === 0) return [];
  // A live lease is not in the log, so a comparison with the log has none.
  const columns = comparison === 'log' ? HEADER.filter((name) => name !== 'live') : HEADER;
  const rows = requests.map((request) => {
    const { workload, capability, path, count, live, last, before, after } = request;
    const cells: Readonly<Record<string, unknown>> = {
      workload,
      capability,
      path,
      live,
      last,
      requests: count,
      before: decisionText(before),
      after: decisionText(after),
    };
    return columns.map((name) => cells[name]);
  });
  return [title, table(columns, rows), ''];
}

function widenedTable(widened: readonly WidenedGrant[]): string {
  const rows = widened.map(({ change, policy, rule, path, capabilities }) => [
    policy,
    rule,
    path,
    capabilities,
    change === 'allow_added' ? 'allow is new or wider' : 'deny is removed or narrower',
  ]);
  return table(['policy', 'rule', 'path', 'capabilities', 'change'], rows);
}

function summary({ loses, gains, unknown, unchanged, widened }: AccessChanges): string {
  const workloads = (requests: readonly ComparedRequest[]): string =>
    counted(new Set(requests.map(({ workload }) => workload)).size, 'workload');
  return [
    `${workloads(loses)} would lose ${counted(loses.length, 'access', 'accesses')}`,
    `${workloads(gains)} would gain ${gains.length}`,
    `${unknown.length} cannot be decided`,
    `${unchanged} unchanged`,
    `${counted(widened.length, 'grant')} wider without use`,
  ].join('; ');
}

const SKIPPED: Readonly<Record<string, string>> = {
  list: 'lists, which decide on each name',
  path: 'entries with only a part of the path',
  workload: 'entries with only a part of the workload',
  summary: 'refusals that were counted together',
};

/** Describes the entries on which the result is based, and those that it leaves out. */
export function coverage(
  { entries, skipped, knownSince }: Pick<Replayed, 'entries' | 'skipped' | 'knownSince'>,
  { from, to }: Period,
): string {
  const until = to === undefined ? '' : ` to ${to.slice(0, 19)}Z`;
  const lines = [
    `based on ${counted(entries, 'entry', 'entries')} of the log from ${from.slice(0, 19)}Z${until}`,
  ];
  for (const [reason, count] of skipped)
    lines.push(`not replayed: ${count} ${SKIPPED[reason] ?? reason}`);
  if (knownSince === undefined) lines.push('the log has no entry');
  else if (knownSince > from) {
    lines.push(`the log begins at ${knownSince.slice(0, 19)}Z: requests before it are not known`);
  }
  return lines.join('\n');
}
