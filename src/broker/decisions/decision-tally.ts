import { isDeepStrictEqual } from 'node:util';
import {
  decidePossible,
  grantsFor,
  viewFor,
  type AccessRequest,
  type Capability,
  type CompiledPolicies,
  type PolicyGrant,
  type RuleFact,
  type PossibleDecision,
  type WorkloadView,
} from '../../domain/policy/index.ts';
import type { Recorded, Skipped, SkipReason } from '../../domain/audit/logged-decision.ts';
import { workloadId, type Workload } from '../../domain/identity/workload.ts';
import type { LoggedDecisions } from '../../ports/audit-log.ts';

/** Rule of a policy that decides on a request that was seen. */
interface RuleName {
  readonly policy: string;
  readonly version: number;
  readonly rule: string;
}

export interface Redecision {
  readonly effect: 'allow' | 'deny' | 'unknown';
  readonly policy?: string | undefined;
  readonly version?: number | undefined;
  readonly rule?: string | undefined;
  /** The facts that are not known, and the rules that may decide. */
  readonly dependsOn?: readonly (RuleFact | 'pod')[];
  readonly among?: readonly RuleName[];
}

/** All requests of one workload with one capability on one path for which the same was decided. */
export interface SeenRequest {
  readonly workload: string;
  readonly capability: Capability;
  readonly path: string;
  /** Recorded decision; absent for a live lease. */
  readonly recorded?: Recorded | undefined;
  readonly current: Redecision;
  readonly draft?: Redecision | undefined;
  /** Requests in the log. */
  count: number;
  /** Live leases. */
  live: number;
  /** Milliseconds since the epoch. */
  first: number;
  last: number;
}

/** Requests that use one grant of the policies: of the draft, or of the current ones without a draft. */
export interface UsedGrant extends PolicyGrant {
  count: number;
  last: number;
}

/** A live lease as a request that its holder could make now. */
export interface LiveRequest extends Pick<
  AccessRequest,
  'workload' | 'path' | 'now' | 'podLabels'
> {
  readonly sealed: boolean;
  readonly last: number;
}

export interface ComparedPolicies {
  readonly current: CompiledPolicies;
  readonly draft?: CompiledPolicies | undefined;
}

type Facts = Omit<AccessRequest, 'capability' | 'path' | 'workload'> & {
  readonly isPodKnown: boolean;
};
type Asked = Pick<LoggedDecisions, 'workload' | 'path' | 'capability' | 'first' | 'last'>;

/** Decides requests that were seen again, with the function that decides reads, and counts equal results together. */
export class DecisionTally {
  readonly #current: Views;
  readonly #draft: Views | undefined;
  readonly #wasSealed: (session: string) => Promise<boolean | undefined>;
  readonly #seen = new Map<string, SeenRequest>();
  readonly #grants = new Map<string, UsedGrant>();
  readonly #skipped = new Map<SkipReason, number>();

  /** Creates a tally. `wasSealed`: whether the answers of a session were encrypted to its key, as long as the session is known. */
  constructor(
    { current, draft }: ComparedPolicies,
    wasEncrypted: (session: string) => Promise<boolean | undefined>,
  ) {
    this.#current = new Views(current);
    this.#draft = draft && new Views(draft);
    this.#wasSealed = wasEncrypted;
  }

  seen(): readonly SeenRequest[] {
    return [...this.#seen.values()];
  }

  grants(): readonly UsedGrant[] {
    return [...this.#grants.values()];
  }

  skipped(): readonly { readonly reason: SkipReason; readonly count: number }[] {
    return [...this.#skipped].map(([reason, count]) => ({ reason, count }));
  }

  skip({ skipped, count }: Skipped): void {
    this.#skipped.set(skipped, (this.#skipped.get(skipped) ?? 0) + count);
  }

  async addLogged(decisions: LoggedDecisions): Promise<void> {
    const { sourceAddress, times, isPodKnown, session, recorded, workload, count } = decisions;
    const sealed =
      session !== undefined && this.#dependsOn('sealed', workload)
        ? await this.#wasSealed(session)
        : undefined;
    const facts = { sourceAddress, isPodKnown, sealed };
    if (times.length === 1 || !this.#dependsOn('time', workload)) {
      const found = this.#find(decisions, { ...facts, now: times[0] ?? Number.NaN }, recorded);
      this.#count(found, decisions, { count });
      return;
    }
    for (const now of times) {
      const asked = { ...decisions, first: now, last: now };
      this.#count(this.#find(asked, { ...facts, now }, recorded), asked, { count: 1 });
    }
  }

  addLive({ sealed, last, now, podLabels, workload, path }: LiveRequest): void {
    // The address of the next call is not known: the lease has only the one of the login.
    const facts = { sourceAddress: '', now, isPodKnown: true, sealed, podLabels };
    const asked: Asked = { workload, path, capability: 'read', first: last, last };
    this.#count(this.#find(asked, facts), asked, { live: 1 });
  }

  #dependsOn(fact: 'sealed' | 'time', workload: Workload): boolean {
    return [this.#current, this.#draft].some(
      (views) => views?.of(workload).dependsOn[fact] === true,
    );
  }

  #find(asked: Asked, facts: Facts, recorded?: Recorded): Found {
    const { workload, capability, path } = asked;
    const request: AccessRequest = { ...facts, workload, capability, path };
    const possible = this.#current.decide(request);
    const current = this.#current.redecide(request, possible, facts.isPodKnown);
    const drafted = this.#draft?.decide(request);
    const draft =
      drafted && isSame(possible, drafted)
        ? current
        : drafted && this.#draft?.redecide(request, drafted, facts.isPodKnown);
    const key = JSON.stringify([workloadId(workload), capability, path, recorded, current, draft]);
    const known = this.#seen.get(key);
    const seen = known ?? {
      workload: workloadId(workload),
      capability,
      path,
      recorded,
      current,
      draft,
      count: 0,
      live: 0,
      first: asked.first,
      last: asked.last,
    };
    if (known === undefined) this.#seen.set(key, seen);
    const isUse = (draft ?? current).effect !== 'deny';
    return { seen, grants: isUse ? (this.#draft ?? this.#current).grants(request) : [] };
  }

  #count(
    { seen, grants }: Found,
    { first, last }: Asked,
    { count = 0, live = 0 }: { readonly count?: number; readonly live?: number },
  ): void {
    seen.count += count;
    seen.live += live;
    seen.first = Math.min(seen.first, first);
    seen.last = Math.max(seen.last, last);
    for (const grant of grants) {
      const key = JSON.stringify(grant);
      const used = this.#grants.get(key) ?? { ...grant, count: 0, last };
      used.count += count + live;
      used.last = Math.max(used.last, last);
      this.#grants.set(key, used);
    }
  }
}

/** The decision if it is certain, or else the facts and rules on which it depends. */
export function toRedecision({ decision, dependsOn, among }: PossibleDecision): Redecision {
  if (dependsOn.length > 0) {
    const names = among.map(({ policy, version, label }) => ({ policy, version, rule: label }));
    return { effect: 'unknown', dependsOn, among: names };
  }
  const { effect, policy, version, rule } = decision;
  return policy === undefined ? { effect } : { effect, policy, version, rule };
}

interface Found {
  readonly seen: SeenRequest;
  readonly grants: readonly PolicyGrant[];
}

/** Reports whether the same rules decide an uncertain request: then it is decided the same, whatever the unknown facts were. */
function isSame({ among: current }: PossibleDecision, { among: draft }: PossibleDecision): boolean {
  return (
    current.length > 0 &&
    current.length === draft.length &&
    current.every((rule, at) => {
      const other = draft[at];
      return (
        rule.policy === other?.policy &&
        isDeepStrictEqual([rule.source, rule.labelSets], [other.source, other.labelSets])
      );
    })
  );
}

const NO_GRANTS: readonly PolicyGrant[] = [];

/**
 * The views of the workloads of one page. The views that reads use are kept elsewhere: workloads of the past would push present
 * workloads out of memory.
 */
class Views {
  readonly #policies: CompiledPolicies;
  readonly #views = new Map<string, WorkloadView>();
  readonly #grants = new WeakMap<WorkloadView, Map<string, readonly PolicyGrant[]>>();

  constructor(policies: CompiledPolicies) {
    this.#policies = policies;
  }

  of(workload: Workload): WorkloadView {
    const id = workloadId(workload);
    const shared = this.#views.get(id);
    if (shared?.dependsOn.pod === false) return shared;
    const own = `${id} ${workload.pod?.uid ?? ''} ${workload.node?.name ?? ''}`;
    const known = this.#views.get(own);
    if (known !== undefined) return known;
    const view = viewFor(this.#policies, workload);
    this.#views.set(view.dependsOn.pod ? own : id, view);
    return view;
  }

  decide(request: AccessRequest): PossibleDecision {
    return decidePossible(this.of(request.workload), request);
  }

  redecide(
    { workload }: AccessRequest,
    possible: PossibleDecision,
    isPodKnown: boolean,
  ): Redecision {
    if (!isPodKnown && this.of(workload).dependsOn.pod) {
      return { effect: 'unknown', dependsOn: ['pod'] };
    }
    return toRedecision(possible);
  }

  grants(request: AccessRequest): readonly PolicyGrant[] {
    const view = this.of(request.workload);
    if (!view.allowsAnything) return NO_GRANTS;
    const { time, sourceAddress, podLabels } = view.dependsOn;
    if (time || sourceAddress || podLabels) return grantsFor(view, request);
    const found = this.#grants.get(view) ?? new Map<string, readonly PolicyGrant[]>();
    this.#grants.set(view, found);
    const key = JSON.stringify([request.path, request.capability, request.sealed]);
    const known = found.get(key) ?? grantsFor(view, request);
    found.set(key, known);
    return known;
  }
}
