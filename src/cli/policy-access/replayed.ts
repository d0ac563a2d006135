import { isDeepStrictEqual } from 'node:util';
import type { components } from '../../client/index.ts';
import { callWith } from '../connection/broker.ts';
import type { CliContext } from '../run/context.ts';
import { counted } from '../run/count.ts';
import { defined } from '../run/defined.ts';
import { Failed } from '../run/errors.ts';

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

/** The result of all pages. */
export interface Replayed {
  readonly requests: readonly ComparedRequest[];
  readonly grants: ReadonlyMap<string, UsedGrant>;
  readonly widened: readonly WidenedGrant[];
  /** Entries that cannot be decided again, by reason. */
  readonly skipped: ReadonlyMap<string, number>;
  readonly entries: number;
  /** The time of the oldest entry that the log has. */
  readonly knownSince: string | undefined;
}

/**
 * Comparison of decisions. `draft`: the decisions of the current policies and of the draft. `log`: the recorded decisions and
 * those of the draft; live leases have no entry and are left out.
 */
export type Comparison = 'draft' | 'log';

const MOST_REQUESTS = 200_000;

export function grantKey({
  policy,
  rule,
  path,
}: Pick<UsedGrant, 'policy' | 'rule' | 'path'>): string {
  return JSON.stringify([policy, rule, path]);
}

interface Question {
  readonly draft?: Draft | undefined;
  readonly period: Period;
  readonly comparison: Comparison;
  /** Reports whether the grants suffice, so that no older entries are needed. */
  readonly isEnough?: ((grants: ReadonlyMap<string, UsedGrant>) => boolean) | undefined;
}

/** Reads all pages of a replay and adds up equal requests. @throws Failed if there are too many different requests */
export async function readReplay(
  context: Pick<CliContext, 'broker' | 'output'>,
  { draft, period, comparison, isEnough = () => false }: Question,
): Promise<Replayed> {
  const broker = await context.broker();
  const requests = new Map<string, ComparedRequest>();
  const grants = new Map<string, UsedGrant>();
  const skipped = new Map<string, number>();
  const widened: WidenedGrant[] = [];
  let entries = 0;
  let knownSince: string | undefined;
  let after: string | undefined;
  do {
    const body = { ...period, ...defined({ draft, after }) };
    const { body: page } = await callWith(broker, 'replayPolicies', { body });
    for (const item of page.items) addRequest(requests, item, comparison);
    for (const grant of page.grants) addGrant(grants, grant);
    for (const { reason, count } of page.skipped)
      skipped.set(reason, (skipped.get(reason) ?? 0) + count);
    widened.push(...page.widened);
    entries += page.entries;
    knownSince = page.knownSince ?? knownSince;
    after = page.next;
    const reached = page.reached === undefined ? '' : `, back to ${page.reached.slice(0, 16)}`;
    context.output.progress(`read ${counted(entries, 'entry', 'entries')} of the log${reached}`);
    if (requests.size > MOST_REQUESTS) throw tooMany(period);
  } while (after !== undefined && !isEnough(grants));
  context.output.endProgress();
  return { requests: [...requests.values()], grants, skipped, widened, entries, knownSince };
}

function tooMany({ from }: Period): Failed {
  return new Failed(
    `the log has more than ${MOST_REQUESTS} different requests since ${from}; use a shorter --since`,
  );
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

export type Change = 'same' | 'loses' | 'gains' | 'unknown';

/** Compares the decisions. The same rules decide the same whatever the unknown facts were. */
export function changeOf({ before, after }: ComparedRequest): Change {
  if (isDeepStrictEqual(before, after)) return 'same';
  if (before.effect === 'unknown' || after.effect === 'unknown') return 'unknown';
  if (before.effect === after.effect) return 'same';
  return after.effect === 'allow' ? 'gains' : 'loses';
}
