import type { ItemOf } from '../../../client/contract-types.ts';
import { counted } from '../../kernel/count.ts';
import type { Source } from '../source.ts';
import { surveyPods, type Surveyed } from '../survey-pods.ts';
import type { CheckResult } from './check-result.ts';

type Permission = 'allow' | 'deny';

/** The parts of a posture profile that decide whether it is a gate. */
export interface ProfileDocument {
  readonly mode: string;
  readonly onUnknown?: Permission;
  readonly match?: { readonly secretPaths?: readonly string[] };
  readonly pod?: { readonly onUnknown?: Permission; readonly securityStandard?: object };
  readonly image?: {
    readonly onUnknown?: Permission;
    readonly registries?: readonly string[];
    readonly signatures?: readonly unknown[];
  };
  readonly vulnerabilities?: {
    readonly onUnknown?: Permission;
    readonly deny?: readonly string[];
  };
}

type Part = 'pod' | 'image' | 'vulnerabilities';

/** Reports whether a part of the profile refuses what it does not know. The default of the schema is to refuse. */
function refusesUnknown(profile: ProfileDocument, part: Part): boolean {
  return (profile[part]?.onUnknown ?? profile.onUnknown ?? 'deny') === 'deny';
}

/** A pattern such as `**` names every repository, so it demands nothing. */
function isNarrow(registry: string): boolean {
  return /^[^*]/.test(registry);
}

/** Demands that make a profile a gate, by name. */
export const DEMANDS = {
  'names registries or demands signatures': (profile: ProfileDocument) => {
    const { registries = [], signatures = [] } = profile.image ?? {};
    const isLimited = registries.length > 0 && registries.every(isNarrow);
    return (isLimited || signatures.length > 0) && refusesUnknown(profile, 'image');
  },
  'denies images with critical vulnerabilities': (profile: ProfileDocument) =>
    (profile.vulnerabilities?.deny ?? []).includes('CRITICAL') &&
    refusesUnknown(profile, 'vulnerabilities'),
  'demands a Pod Security Standard': (profile: ProfileDocument) =>
    profile.pod?.securityStandard !== undefined && refusesUnknown(profile, 'pod'),
} as const;

/** The findings of a profile at the pods that it is for, each profile once. */
export type Coverage = (name: string, document: unknown) => Promise<readonly Surveyed[]>;

export function coverageOf(source: Source): Coverage {
  const read = new Map<string, Promise<readonly Surveyed[]>>();
  return (name, document) => {
    const known = read.get(name) ?? surveyPods(source, document);
    read.set(name, known);
    return known;
  };
}

/** Facts that a gate reads. */
interface Covering {
  readonly pods: () => Promise<readonly Surveyed[]>;
  readonly profiles: () => Promise<readonly ItemOf<'listPostureProfiles'>[]>;
  readonly coverage: Coverage;
}

const MOST_EXAMPLES = 10;

/** Passes if enforced profiles with the demand are for every pod that holds a session. */
export function gate(demand: keyof typeof DEMANDS): (facts: Covering) => Promise<CheckResult> {
  return async (facts) => {
    const query = 'quaymaster posture-profile ls; quaymaster posture survey FILE';
    const all = await facts.pods();
    const seen = { query, examples: [], entries: [] };
    if (all.length === 0)
      return { ...seen, state: 'not-applicable', text: 'no pod holds a session' };
    const { names, covered } = await coveredBy(facts, demand);
    const missing = all.filter(({ pod }) => !covered.has(pod.uid));
    const through = names.length === 0 ? '' : `: ${names.join(', ')}`;
    return {
      ...seen,
      state: missing.length === 0 ? 'pass' : 'fail',
      text: `${all.length - missing.length} of ${counted(all.length, 'pod')} with a session are under an enforced posture profile that ${demand}${through}`,
      examples: missing
        .slice(0, MOST_EXAMPLES)
        .map(({ workload, pod }) => `${workload} ${pod.name}`),
    };
  };
}

/** Finds the pods that are under the profiles. A profile for some secrets only leaves the others open, so it does not count, and neither does an exception. */
async function coveredBy(
  { profiles, coverage }: Covering,
  demand: keyof typeof DEMANDS,
): Promise<{ readonly names: readonly string[]; readonly covered: ReadonlySet<string> }> {
  const covered = new Set<string>();
  const names: string[] = [];
  for (const { name, document } of await profiles()) {
    const profile = document as ProfileDocument;
    const isWhole = (profile.match?.secretPaths ?? []).length === 0;
    if (profile.mode !== 'enforce' || !isWhole || !DEMANDS[demand](profile)) continue;
    names.push(name);
    for (const { pod, known, findings } of await coverage(name, document)) {
      if (known && findings.every(({ status }) => status !== 'excepted')) covered.add(pod.uid);
    }
  }
  return { names, covered };
}
