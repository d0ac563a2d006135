import {
  loggedDecision,
  type LoggedDecision,
  type Skipped,
} from '../../domain/audit/logged-decision.ts';
import type { PageRequest } from '../../domain/page.ts';
import { workloadId } from '../../domain/identity/workload.ts';
import type {
  DecisionsPage,
  DecisionsWindow,
  LoggedDecisions,
  LogPage,
} from '../../ports/audit-log.ts';

const ENTRIES_A_SEARCH = 2_048;
/** Most times in a group: each may have to be decided separately, which takes about a millisecond. */
const TIMES_A_GROUP = 256;

interface Group {
  readonly decision: LoggedDecision;
  count: number;
  first: number;
  last: number;
  readonly times: number[];
}

/** Equal requests, grouped. Only the times of a group differ. */
class Groups {
  readonly #all: Group[] = [];
  /** The newest group of each key. */
  readonly #groups = new Map<string, Group>();
  readonly #skipped = new Map<Skipped['skipped'], number>();

  /** Number of distinct requests. */
  get size(): number {
    return this.#groups.size;
  }

  add(entry: string): void {
    const decision = loggedDecision(entry);
    if (decision === undefined) return;
    if ('skipped' in decision) {
      const { skipped, count } = decision;
      this.#skipped.set(skipped, (this.#skipped.get(skipped) ?? 0) + count);
      return;
    }
    const key = keyOf(decision);
    const group = this.#groups.get(key);
    if (group === undefined || group.times.length === TIMES_A_GROUP) {
      const { count, first, last, at } = decision;
      const begun = { decision, count, first, last, times: [at] };
      this.#all.push(begun);
      this.#groups.set(key, begun);
      return;
    }
    group.count += decision.count;
    group.first = Math.min(group.first, decision.first);
    group.last = Math.max(group.last, decision.last);
    if (!Number.isNaN(decision.at)) group.times.push(decision.at);
  }

  items(): readonly LoggedDecisions[] {
    return this.#all.map(({ decision, count, first, last, times }) => {
      const { workload, path, capability, recorded, isPodKnown, sourceAddress, session } = decision;
      const request = { workload, path, capability, recorded, isPodKnown, sourceAddress, session };
      return { ...request, count, first, last, times: Float64Array.from(times) };
    });
  }

  skipped(): readonly Skipped[] {
    return [...this.#skipped].map(([skipped, count]) => ({ skipped, count }));
  }
}

function keyOf(decision: LoggedDecision): string {
  const { workload, path, capability, recorded, at, isPodKnown, sourceAddress, session } = decision;
  const { pod, node } = workload;
  const caller = [workloadId(workload), pod?.uid, node?.name, isPodKnown, sourceAddress, session];
  return JSON.stringify([...caller, path, capability, recorded, Number.isNaN(at)]);
}

/** The decisions in the entries that `search` returns page by page, newest first. It ends with the page at which `signal` is aborted. */
export async function readDecisions(
  search: (page: PageRequest) => Promise<LogPage>,
  { after, entries: mostEntries, requests: mostRequests }: DecisionsWindow,
  signal?: AbortSignal,
): Promise<DecisionsPage> {
  const groups = new Groups();
  let entries = 0;
  let oldest: string | undefined;
  let position = after;
  do {
    const { items, next } = await search({ limit: ENTRIES_A_SEARCH, after: position });
    for (const { entry } of items) groups.add(entry);
    entries += items.length;
    oldest = items.at(-1)?.entry ?? oldest;
    position = next;
    if (signal?.aborted === true) break;
  } while (position !== undefined && entries < mostEntries && groups.size < mostRequests);
  return {
    items: groups.items(),
    skipped: groups.skipped(),
    entries,
    reached: oldest === undefined ? undefined : timeOf(oldest),
    ...(position !== undefined && { next: position }),
  };
}

function timeOf(entry: string): number {
  return Date.parse((JSON.parse(entry) as { readonly time: string }).time);
}
