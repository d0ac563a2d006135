import {
  grantKey,
  type ComparedRequest,
  type Redecision,
  type Replayed,
  type WidenedGrant,
} from './replay.ts';

export type Change = 'same' | 'loses' | 'gains' | 'unknown';

/** Compares the decisions. The same rules decide the same whatever the unknown facts were. */
export function changeOf({ before, after }: ComparedRequest): Change {
  if (JSON.stringify(before) === JSON.stringify(after)) return 'same';
  if (before.effect === 'unknown' || after.effect === 'unknown') return 'unknown';
  if (before.effect === after.effect) return 'same';
  return after.effect === 'allow' ? 'gains' : 'loses';
}

/** Changes that a draft makes for requests that were seen. */
export interface AccessChanges {
  readonly loses: readonly ComparedRequest[];
  readonly gains: readonly ComparedRequest[];
  readonly unknown: readonly ComparedRequest[];
  readonly unchanged: number;
  /** Grants that the text of the draft widens, although no request uses them. */
  readonly widened: readonly WidenedGrant[];
}

export function accessChanges({ requests, grants, widened }: Replayed): AccessChanges {
  const groups = Map.groupBy(requests, changeOf);
  const of = (change: Change): readonly ComparedRequest[] =>
    (groups.get(change) ?? []).toSorted(byWorkload);
  return {
    loses: of('loses'),
    gains: of('gains'),
    unknown: of('unknown'),
    unchanged: of('same').length,
    widened: widened.filter(
      (grant) => grant.change === 'deny_removed' || !grants.has(grantKey(grant)),
    ),
  };
}

function byWorkload(a: ComparedRequest, b: ComparedRequest): number {
  const [left, right] = [a, b].map(({ workload, path, capability }) =>
    [workload, path, capability].join('\n'),
  );
  return String(left) < String(right) ? -1 : 1;
}

/** `allow payments/own`, `deny`, or the facts on which it depends. */
export function decisionText(decision: Redecision): string {
  const { effect, policy, rule, dependsOn = [] } = decision;
  if (effect === 'unknown') return `depends on ${dependsOn.map((fact) => FACTS[fact]).join(', ')}`;
  return policy === undefined ? effect : `${effect} ${policy}/${rule ?? ''}`;
}

const FACTS = {
  podLabels: 'pod labels',
  sourceAddress: 'source address',
  time: 'time',
  sealed: 'sealed delivery',
  pod: 'pod',
} as const;
