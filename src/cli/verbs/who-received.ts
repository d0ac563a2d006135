import type { components } from '../../client/index.ts';
import { callWith } from '../connection/broker.ts';
import type { Call, CliContext } from '../connection/context.ts';
import { defined } from '../kernel/defined.ts';
import { periodOf, type PeriodOptions } from '../kernel/time.ts';
import { csv } from '../output/csv.ts';
import { table } from '../output/table.ts';
import { archivedNote } from './audit-archive.ts';

type Receipt = components['schemas']['Receipt'];
type Page = components['schemas']['ReceiversPage'];

/** One caller, with all its reads of one version, under every lease. */
type Receiver = Omit<Receipt, 'lease' | 'credential'>;

const COLUMNS = [
  'receiver',
  'pod',
  'podUid',
  'node',
  'action',
  'version',
  'reads',
  'first',
  'last',
  'firstIndex',
  'lastIndex',
  'validUntil',
] as const satisfies readonly (keyof Receipt)[];
/** Columns of the table, with their headings. */
const SHOWN = {
  receiver: 'receiver',
  pod: 'pod',
  version: 'version',
  reads: 'reads',
  first: 'first',
  last: 'last',
  validUntil: 'valid until',
  lastIndex: 'entry',
} as const satisfies Partial<Record<keyof Receipt, string>>;
const SHOWN_COLUMNS = Object.keys(SHOWN) as readonly (keyof typeof SHOWN)[];
/** Entries that one page reads, at most. */
const LONGEST_PAGE = 1_000;

interface Options extends PeriodOptions {
  readonly secretVersion?: string;
  readonly csv?: true;
}

/** Lists every caller that received a value of the path, over the whole live log. The log records the search too. */
export async function runWhoReceived(
  { broker, output, clock }: CliContext,
  { args: [path = ''], options }: Call<Options>,
): Promise<void> {
  const { secretVersion: version, csv: isCsv } = options;
  const question = { path, ...defined({ version }), ...periodOf(options, clock.now()) };
  const client = await broker();
  const receivers = new Map<string, Receiver>();
  let page: Page | undefined;
  do {
    const query = { ...question, limit: LONGEST_PAGE, ...defined({ after: page?.next }) };
    page = (await callWith(client, 'listReceivers', { query })).body;
    for (const receipt of page.items) add(receivers, receipt);
  } while (page.next !== undefined);
  const { archived } = page;
  // Newest first, as searches are shown.
  const items = [...receivers.values()].sort((left, right) => right.lastIndex - left.lastIndex);
  await output.show({ path, ...defined({ version, archived }), items }, () =>
    isCsv === true ? csvOf(items) : textOf(path, version, items),
  );
  if (archived !== undefined) output.note(archivedNote(archived));
}

/** Pages of one action come newest first. The latest end of a lease is kept. */
function add(receivers: Map<string, Receiver>, receipt: Receipt): void {
  const facts = { ...receipt };
  delete facts.lease;
  delete facts.credential;
  const { receiver, podUid, action, version } = facts;
  const key = JSON.stringify([receiver, podUid, action, version]);
  const known = receivers.get(key);
  if (known === undefined) {
    receivers.set(key, facts);
    return;
  }
  const oldest = facts.firstIndex < known.firstIndex ? facts : known;
  const ends = [known.validUntil, facts.validUntil].filter((end) => end !== undefined).sort();
  receivers.set(key, {
    ...known,
    reads: known.reads + facts.reads,
    first: oldest.first,
    firstIndex: oldest.firstIndex,
    ...(facts.lastIndex > known.lastIndex && { last: facts.last, lastIndex: facts.lastIndex }),
    ...defined({ validUntil: ends.at(-1) }),
  });
}

function textOf(path: string, version: string | undefined, items: readonly Receiver[]): string {
  const what = version === undefined ? path : `version ${version} of ${path}`;
  if (items.length === 0) return `no entry of the log shows a caller that received ${what}`;
  return table(
    Object.values(SHOWN),
    items.map((item) => SHOWN_COLUMNS.map((column) => item[column])),
  );
}

/** The members of JSON as columns. */
function csvOf(items: readonly Receiver[]): string {
  return csv([COLUMNS, ...items.map((item) => COLUMNS.map((column) => item[column]))]);
}
