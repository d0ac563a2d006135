import { BrokerError } from '../../domain/errors.ts';
import {
  decideIn,
  type Capability,
  type Decision,
  type WorkloadView,
} from '../../domain/policy/index.ts';
import { holdsFor, type Role } from '../../domain/identity/principal.ts';
import type { Workload } from '../../domain/identity/workload.ts';
import type { PolicyReference } from '../../domain/audit/audit-actions.ts';
import type { Call, Caller } from './call.ts';
import type { PostureRefused } from '../../domain/posture/refusal.ts';
import type { Rights } from '../state/dependencies.ts';
import { podFacts } from './check-pod.ts';
import { LiveSession } from '../state/session-memory.ts';

/** Decision whether the caller has access, and the reason for the log. */
export type Verdict =
  | {
      readonly allowed: true;
      readonly policy?: PolicyReference;
      readonly maxLeaseTtlSeconds?: number | undefined;
      /** Findings of posture profiles that do not refuse. */
      readonly posture?: string | undefined;
      /** The part of that which is in the answer. */
      readonly warning?: string | undefined;
    }
  | {
      readonly allowed: false;
      readonly policy?: PolicyReference;
      readonly reason: string;
      /** The policies allow it, and a posture profile refuses. */
      readonly unfit?: PostureRefused;
    };

const ROLE_FOR: Readonly<Record<Capability, readonly Role[]>> = {
  read: ['secret-reader'],
  list: ['secret-reader', 'secret-editor'],
  write: ['secret-editor'],
  rotate: ['rotator'],
};

/**
 * Decides by the path alone, before any lookup: a refusal does not depend on existing secrets. The pod must be fit for the
 * secret; its posture is asked last, so that a caller learns nothing of the profiles for other paths.
 */
export function judge(
  parts: Rights,
  call: Call,
  caller: Caller,
  request: { readonly capability: Capability; readonly path: string },
): Verdict {
  if (!(caller instanceof LiveSession)) {
    const roles = ROLE_FOR[request.capability];
    return roles.some((role) => holdsFor(caller.operator, role, request.path))
      ? { allowed: true }
      : { allowed: false, reason: 'no_role' };
  }
  const verdict = judgeWorkload(parts, call, caller, request);
  if (request.capability !== 'read' || !verdict.allowed) return verdict;
  const { refusal, noted, warned } = parts.fitness.judge(
    caller.session.workload,
    request.path,
    undefined,
    call,
  );
  if (refusal === undefined)
    return noted === undefined ? verdict : { ...verdict, posture: noted, warning: warned };
  const { policy } = verdict;
  return { allowed: false, ...(policy && { policy }), reason: 'posture', unfit: refusal };
}

function judgeWorkload(
  parts: Rights,
  call: Call,
  caller: LiveSession,
  { capability, path }: { readonly capability: Capability; readonly path: string },
): Verdict {
  const view = caller.view(parts.catalog.policies);
  if (capability !== 'read' || !isLasting(view)) {
    return verdict(decideFor(parts, call, caller, { capability, path, view }));
  }
  const isSealed = caller.session.senderKey !== undefined;
  const known = allowedReads.find(view, isSealed, path);
  if (known !== undefined) return known;
  const made = verdict(decideFor(parts, call, caller, { capability, path, view }));
  if (made.allowed) allowedReads.keep(view, isSealed, path, made);
  return made;
}

/** Reports whether the view's decisions depend only on capability, path and delivery. A view of one pod is not kept for others. */
function isLasting({ dependsOn }: WorkloadView): boolean {
  const { time, sourceAddress, podLabels, pod } = dependsOn;
  return !time && !sourceAddress && !podLabels && !pod;
}

/** Callers choose the paths, so the number of kept verdicts is limited. At this number, the table starts again. */
const MOST_KEPT = 16_384;

/** Verdicts of allowed reads: a decision costs as much as the lease of a read (measured: 3 % of its processor time). */
class AllowedReads {
  #byView = new WeakMap<WorkloadView, readonly [clear: Paths, sealed: Paths]>();
  #count = 0;

  find(view: WorkloadView, isSealed: boolean, path: string): Verdict | undefined {
    return this.#byView.get(view)?.[isSealed ? 1 : 0].get(path);
  }

  keep(view: WorkloadView, isSealed: boolean, path: string, verdict: Verdict): void {
    if (this.#count >= MOST_KEPT) {
      this.#byView = new WeakMap();
      this.#count = 0;
    }
    this.#count += 1;
    const known = this.#byView.get(view) ?? ([new Map(), new Map()] as const);
    // A copy, so that the path does not keep the whole request target in memory.
    known[isSealed ? 1 : 0].set(Buffer.from(path).toString(), verdict);
    this.#byView.set(view, known);
  }
}

type Paths = Map<string, Verdict>;
const allowedReads = new AllowedReads();

function decideFor(
  parts: Rights,
  call: Call,
  live: LiveSession,
  request: { readonly capability: Capability; readonly path: string; readonly view: WorkloadView },
): Decision {
  const { view, capability, path } = request;
  return decideIn(view, {
    capability,
    path,
    sourceAddress: call.address,
    now: parts.clock.now(),
    podLabels: view.dependsOn.podLabels
      ? currentPodLabels(parts, live.session.workload)
      : undefined,
    sealed: live.session.senderKey !== undefined,
  });
}

/** The labels of a workload's pod; undefined while the watch does not know the current ones. */
export function currentPodLabels(
  parts: Pick<Rights, 'clusters'>,
  workload: Workload,
): ReadonlyMap<string, string> | undefined {
  return podFacts(parts, workload)?.labels;
}

function verdict(decision: Decision): Verdict {
  if (decision.effect === 'allow') {
    const { policy, version, rule, maxLeaseTtlSeconds } = decision;
    return { allowed: true, policy: { name: policy, version, rule }, maxLeaseTtlSeconds };
  }
  if (decision.reason !== 'denied_by_rule') return { allowed: false, reason: decision.reason };
  const { policy, version, rule, reason } = decision;
  return { allowed: false, reason, policy: { name: policy, version, rule } };
}

/** Builds the error for a refused verdict. */
export function refusalOf({ reason, unfit }: Verdict & { readonly allowed: false }): BrokerError {
  return unfit ?? denied(reason);
}

/** Builds the error for every refusal: the same whether the path exists or not. */
export function denied(reason: string): BrokerError {
  return new BrokerError('ERR_DENIED', undefined, { reason });
}
