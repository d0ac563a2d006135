import type { components } from '../../client/index.ts';
import { pagesWith } from '../broker.ts';
import type { Call, CliContext } from '../context.ts';
import { defined } from '../defined.ts';
import { periodOf, type PeriodOptions } from '../time.ts';
import { csv } from '../output/csv.ts';
import { table } from '../output/table.ts';

type Found = components['schemas']['AuditEntry'];

/** The members of an entry that say who received what. */
interface Entry {
  readonly time?: string;
  readonly actor?: {
    readonly kind?: string;
    readonly id?: string;
    readonly podName?: string;
    readonly podUid?: string;
    readonly nodeName?: string;
  };
  readonly action?: string;
  readonly version?: string;
}

/** One caller, with all its reads of one version. */
interface Receiver {
  readonly receiver: string;
  readonly pod: string | undefined;
  readonly podUid: string | undefined;
  readonly node: string | undefined;
  readonly action: string;
  readonly version: string | undefined;
  readonly reads: number;
  readonly first: string | undefined;
  readonly last: string | undefined;
  /** Indexes of the first and the last entry, for `audit proof`. */
  readonly firstIndex: number;
  readonly lastIndex: number;
}

const COLUMNS = [
  ...['receiver', 'pod', 'podUid', 'node', 'action', 'version', 'reads'],
  ...['first', 'last', 'firstIndex', 'lastIndex'],
] as const satisfies readonly (keyof Receiver)[];
const SHOWN = ['receiver', 'pod', 'version', 'reads', 'first', 'last', 'lastIndex'] as const;
/** The actions by which a value leaves the broker. */
const DISCLOSURES = ['secret.read', 'credential.issue'];
const LONGEST_PAGE = 1_000;

interface Options extends PeriodOptions {
  readonly secretVersion?: string;
  readonly csv?: true;
}

/** Lists every caller that received a value of the path, over the whole log. The log records the search too. */
export async function runWhoReceived(
  { broker, output, clock }: CliContext,
  { args: [path = ''], options }: Call<Options>,
): Promise<void> {
  const { secretVersion: version, csv: isCsv } = options;
  const filter = { path, outcome: 'ok', ...defined({ version }), limit: LONGEST_PAGE };
  const period = periodOf(options, clock.now());
  const receivers = new Map<string, Receiver>();
  for (const action of DISCLOSURES) {
    const query = { ...filter, ...period, action };
    for await (const found of pagesWith(await broker(), 'searchAudit', { query }))
      add(receivers, found);
  }
  // Newest first, as searches are shown.
  const items = [...receivers.values()].sort((left, right) => right.lastIndex - left.lastIndex);
  await output.show({ path, ...defined({ version }), items }, () =>
    isCsv === true ? csvOf(items) : textOf(path, version, items),
  );
}

/** Entries of one action come newest first. */
function add(receivers: Map<string, Receiver>, { index, entry: found }: Found): void {
  const { time, actor = {}, action = '', version }: Entry = found;
  const receiver = actor.id ?? actor.kind ?? 'unknown';
  const { podName: pod, podUid, nodeName: node } = actor;
  const key = JSON.stringify([receiver, podUid, action, version]);
  const known = receivers.get(key);
  const facts = { receiver, pod, podUid, node, action, version };
  receivers.set(key, {
    ...facts,
    reads: (known?.reads ?? 0) + 1,
    first: time,
    last: known?.last ?? time,
    firstIndex: index,
    lastIndex: known?.lastIndex ?? index,
  });
}

function textOf(path: string, version: string | undefined, items: readonly Receiver[]): string {
  const what = version === undefined ? path : `version ${version} of ${path}`;
  if (items.length === 0) return `no entry of the log shows a caller that received ${what}`;
  return table(
    SHOWN,
    items.map((item) => SHOWN.map((column) => item[column])),
  );
}

/** The members of JSON as columns. */
function csvOf(items: readonly Receiver[]): string {
  return csv([COLUMNS, ...items.map((item) => COLUMNS.map((column) => item[column]))]);
}
