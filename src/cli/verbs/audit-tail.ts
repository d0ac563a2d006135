import type { components } from '../../client/index.ts';
import { filterQuery, type FilterOptions } from '../input/audit-filters.ts';
import { callWith, type Broker } from '../connection/broker.ts';
import type { Call, CliContext } from '../connection/context.ts';
import { printable } from '../output/printable.ts';
import { entryCells, requestOf } from './audit-entry.ts';

type Found = components['schemas']['AuditEntry'];
type Page = components['schemas']['AuditPage'];

const POLL_MS = 2_000;
const INITIAL_ENTRIES = 10;
const PAGE = 100;
/** Limit of remembered ids of our own searches. They are entries too: without a filter each poll would print the one before. */
const MOST_OWN_IDS = 1_000;

export interface Tail {
  readonly broker: Broker;
  readonly query: Readonly<Record<string, unknown>>;
  /** Request ids of our own searches. */
  readonly own: Set<string>;
  /** Index of the newest entry that was printed. */
  last: number;
}

/** Prints the last ten entries, then new ones as they are recorded, oldest first, until it is interrupted. */
export async function runAuditTail(
  { broker, output, clock, signal }: CliContext,
  { options }: Call<FilterOptions>,
): Promise<void> {
  const query = filterQuery(options);
  const tail: Tail = { broker: await broker(), query, own: new Set(), last: -1 };
  for (let items = await firstEntries(tail); ; items = await entriesSince(tail)) {
    for (const item of items) {
      if (tail.own.delete(requestOf(item) ?? '')) continue;
      await output.item(item, () => entryCells(item).map(cell).join('  '));
    }
    await clock.sleep(POLL_MS, signal);
  }
}

/** The newest entries, oldest first. */
export async function firstEntries(tail: Tail): Promise<readonly Found[]> {
  const { items } = await page(tail, { limit: INITIAL_ENTRIES });
  tail.last = items[0]?.index ?? -1;
  return items.toReversed();
}

/** The entries since the last poll: reads pages backwards until it reaches an entry that was printed. */
export async function entriesSince(tail: Tail): Promise<readonly Found[]> {
  const found: Found[] = [];
  for (let after: string | undefined; ;) {
    const { items, next } = await page(tail, {
      limit: PAGE,
      ...(after !== undefined && { after }),
    });
    const fresh = items.filter(({ index }) => index > tail.last);
    found.push(...fresh);
    if (next === undefined || fresh.length < items.length || items.length === 0) break;
    after = next;
  }
  tail.last = found[0]?.index ?? tail.last;
  return found.toReversed();
}

async function page(tail: Tail, more: object): Promise<Page> {
  const query = { ...tail.query, ...more };
  const { body, requestId } = await callWith(tail.broker, 'searchAudit', { query });
  if (tail.own.size > MOST_OWN_IDS) tail.own.clear();
  tail.own.add(requestId);
  return body;
}

function cell(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' ? printable(String(value)) : '-';
}
