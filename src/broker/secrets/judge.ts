import { BrokerError } from '../../domain/errors.ts';
import { decideIn, type Capability, type Decision } from '../../domain/policy/index.ts';
import { holdsFor, type Role } from '../../domain/principal.ts';
import type { PolicyReference } from '../../domain/audit-actions.ts';
import type { Call, Caller } from '../call.ts';
import type { Rights } from '../parts.ts';
import { LiveSession } from '../sessions/session-memory.ts';

/** Whether the caller has access, and the reason for the log. */
export type Verdict =
  | {
      readonly allowed: true;
      readonly policy?: PolicyReference;
      readonly maxLeaseTtlSeconds?: number | undefined;
    }
  | { readonly allowed: false; readonly policy?: PolicyReference; readonly reason: string };

const ROLE_FOR: Readonly<Record<Capability, readonly Role[]>> = {
  read: ['secret-reader'],
  list: ['secret-reader', 'secret-editor'],
  write: ['secret-editor'],
  rotate: ['rotator'],
};

/** Decides by the path alone, before any lookup: a refusal does not depend on what exists. */
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
  return verdict(decideFor(parts, call, caller, request));
}

function decideFor(
  parts: Rights,
  call: Call,
  live: LiveSession,
  request: { readonly capability: Capability; readonly path: string },
): Decision {
  const view = live.view(parts.catalog.policies);
  return decideIn(view, {
    capability: request.capability,
    path: request.path,
    sourceAddress: call.address,
    now: parts.clock.now(),
    podLabels: view.dependsOn.podLabels ? podLabels(parts, live) : undefined,
    sealed: live.session.senderKey !== undefined,
  });
}

function podLabels(
  parts: Pick<Rights, 'clusters'>,
  live: LiveSession,
): ReadonlyMap<string, string> | undefined {
  const { cluster, pod } = live.session.workload;
  const watch = parts.clusters.watch(cluster);
  if (pod === undefined || watch?.status() !== 'live') return undefined;
  return watch.find(pod.uid)?.labels;
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

/** The response to every refusal: the same whether the path exists or not. */
export function denied(reason: string): BrokerError {
  return new BrokerError('ERR_DENIED', undefined, { reason });
}
