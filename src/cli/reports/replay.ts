import type { components } from '../../ports/openapi/api.ts';
import { counted } from '../kernel/count.ts';
import { defined } from '../kernel/defined.ts';
import type { Source } from './source.ts';

type Schemas = components['schemas'];
export type Redecision = Schemas['Redecision'];
export type UsedGrant = Schemas['PolicyReplay']['grants'][number];
export type WidenedGrant = Schemas['PolicyReplay']['widened'][number];

export interface Draft {
  /** JSON texts. */
  readonly policies: readonly string[];
  readonly remove: readonly string[];
}

export interface Period {
  readonly from: string;
  readonly to?: string | undefined;
}

/** All requests of one workload with one capability on one path for which the same is decided before and after. */
export interface ComparedRequest {
  readonly workload: string;
  readonly capability: Schemas['Capability'];
  readonly path: string;
  readonly before: Redecision;
  readonly after: Redecision;
  /** Requests in the log. */
  count: number;
  /** Live leases. */
  live: number;
  last: string;
}

/** The result of the pages that were read. */
export interface Replayed {
  /** Empty without a comparison. */
  readonly requests: readonly ComparedRequest[];
  readonly grants: ReadonlyMap<string, UsedGrant>;
  readonly widened: readonly WidenedGrant[];
  /** Entries that cannot be decided again, by reason. */
  readonly skipped: ReadonlyMap<string, number>;
  readonly entries: number;
  /** The time of the oldest entry that the log has. */
  readonly knownSince: string | undefined;
  /** Says that all of the period was read. */
  readonly isWhole: boolean;
}

/**
 * Comparison of decisions. `draft`: the decisions of the current policies and of the draft. `log`: the recorded decisions and
 * those of the draft; live leases have no entry and are left out.
 */
export type Comparison = 'draft' | 'log';

export function grantKey({
  policy,
  rule,
  path,
}: Pick<UsedGrant, 'policy' | 'rule' | 'path'>): string {
  return JSON.stringify([policy, rule, path]);
}

export interface ReplayQuestion {
  readonly draft?: Draft | undefined;
  readonly period: Period;
  /** Decisions to compare. Only the grants that were used are collected without one. */
  readonly comparison?: Comparison | undefined;
  /** Reports after each page whether the result suffices, so that no older entries are needed. */
  readonly isEnough?: ((sofar: Replayed) => boolean) | undefined;
}

/** The sums of the pages that were read. */
interface Sums {
  readonly requests: Map<string, ComparedRequest>;
  readonly grants: Map<string, UsedGrant>;
  readonly skipped: Map<string, number>;
  readonly widened: WidenedGrant[];
  entries: number;
  knownSince: string | undefined;
}

/** Reads the pages of a replay and adds up equal requests. */
export async function readReplay(
  { call, progress }: Pick<Source, 'call' | 'progress'>,
  { draft, period, comparison, isEnough = () => false }: ReplayQuestion,
): Promise<Replayed> {
  const sums: Sums = {
    requests: new Map(),
    grants: new Map(),
    skipped: new Map(),
    widened: [],
    entries: 0,
    knownSince: undefined,
  };
  const asked = { from: period.from, ...defined({ to: period.to, draft }) };
  let after: string | undefined;
  let replayed: Replayed;
  do {
    const body = after === undefined ? asked : { ...asked, after };
    const page = await call('replayPolicies', { body });
    addPage(sums, page, comparison);
    after = page.next;
    const reached = page.reached === undefined ? '' : `, back to ${page.reached.slice(0, 16)}`;
    progress(`read ${counted(sums.entries, 'entry', 'entries')} of the log${reached}`);
    replayed = { ...sums, requests: [...sums.requests.values()], isWhole: after === undefined };
  } while (!isEnough(replayed) && after !== undefined);
  return replayed;
}

function addPage(
  sums: Sums,
  { items, grants, skipped, widened, entries, knownSince }: Schemas['PolicyReplay'],
  comparison: Comparison | undefined,
): void {
  if (comparison !== undefined)
    for (const item of items) addRequest(sums.requests, item, comparison);
  for (const grant of grants) addGrant(sums.grants, grant);
  for (const { reason, count } of skipped)
    sums.skipped.set(reason, (sums.skipped.get(reason) ?? 0) + count);
  sums.widened.push(...widened);
  sums.entries += entries;
  sums.knownSince = knownSince ?? sums.knownSince;
}

function addRequest(
  requests: Map<string, ComparedRequest>,
  { workload, capability, path, recorded, current, draft, ...seen }: Schemas['SeenRequest'],
  comparison: Comparison,
): void {
  const before = comparison === 'draft' ? current : recorded;
  if (before === undefined) return;
  const after = draft ?? current;
  const key = JSON.stringify([workload, capability, path, before, after]);
  const known = requests.get(key);
  const { count, live, last } = seen;
  if (known === undefined) {
    requests.set(key, { workload, capability, path, before, after, count, live, last });
    return;
  }
  known.count += count;
  known.live += live;
  if (last > known.last) known.last = last;
}

function addGrant(grants: Map<string, UsedGrant>, { count, last, ...grant }: UsedGrant): void {
  const key = grantKey(grant);
  const known = grants.get(key);
  grants.set(key, {
    ...grant,
    count: (known?.count ?? 0) + count,
    last: known !== undefined && known.last > last ? known.last : last,
  });
}
