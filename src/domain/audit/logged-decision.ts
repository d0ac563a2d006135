import { isSecretPath } from '../words/names.ts';
import type { Capability } from '../policy/index.ts';
import { parseWorkloadId, workloadOf, type Workload } from '../identity/workload.ts';

/** A decision of the policies as the log recorded it, with the facts that the entry has. */
export interface LoggedDecision {
  readonly workload: Workload;
  readonly path: string;
  readonly capability: Capability;
  readonly recorded: Recorded;
  /** Milliseconds since the epoch; NaN for a summary, which covers a time. */
  readonly at: number;
  readonly first: number;
  readonly last: number;
  readonly count: number;
  /** True if the entry names the pod of the workload, or says that the workload ran in none. */
  readonly isPodKnown: boolean;
  /** Empty if it is not recorded. */
  readonly sourceAddress: string;
  readonly session: string | undefined;
}

export interface Recorded {
  readonly effect: 'allow' | 'deny';
  readonly policy?: string | undefined;
  readonly version?: number | undefined;
  readonly rule?: string | undefined;
}

/**
 * Reasons why an entry about a workload cannot be decided again. `list`: the entry has the prefix, but each name below it was decided separately.
 * `path`, `workload`: the entry has only the beginning of the name. `summary`: the entry counts refusals of several actions and paths.
 */
export type SkipReason = 'list' | 'path' | 'workload' | 'summary';

export interface Skipped {
  readonly skipped: SkipReason;
  readonly count: number;
}

/** The members of an entry that a decision needs; internals/spec/audit-log-v1.md. */
interface Entry {
  readonly time: string;
  readonly actor: Actor;
  readonly action: string;
  readonly outcome: 'ok' | 'deny' | 'error';
  readonly reason?: string;
  readonly client?: { readonly address?: string };
  readonly path?: string;
  readonly policy?: { readonly name: string; readonly version: number; readonly rule: string };
  readonly refused?: string;
  readonly count?: number;
  readonly since?: string;
  readonly last?: string;
}

interface Actor {
  readonly id: string;
  readonly session?: string;
  readonly podName?: string;
  readonly podUid?: string;
  readonly nodeName?: string;
}

const OF_WORKLOAD = ',"actor":{"kind":"workload",';
const CAPABILITY_OF: Readonly<Record<string, Capability | undefined>> = {
  'secret.read': 'read',
  'credential.issue': 'read',
  'lease.renew': 'read',
  'secret.acknowledge': 'read',
  'secret.list': 'list',
  'secret.write': 'write',
  'secret.describe': 'write',
  'secret.delete': 'write',
  'secret.undelete': 'write',
  'secret.destroy': 'write',
  'rotation.request': 'rotate',
  'rotation.read': 'rotate',
  'rotation.retry': 'rotate',
  'rotation.abort': 'rotate',
  'rotation.retire': 'rotate',
};
const POLICY_DENIALS: readonly (string | undefined)[] = ['no_rule', 'denied_by_rule'];
const SUMMARY = 'request.refused_summary';

/** The decision that an entry records, or why it cannot be decided again; undefined if it records no decision of the policies. */
export function loggedDecision(text: string): LoggedDecision | Skipped | undefined {
  // Most entries of other callers are excluded at a hundredth of the cost of parsing them.
  if (!text.includes(OF_WORKLOAD)) return undefined;
  const entry = JSON.parse(text) as Entry;
  if (entry.action !== SUMMARY) return decisionIn(entry, entry.action);
  const { refused, count = 1 } = entry;
  return refused === undefined ? { skipped: 'summary', count } : decisionIn(entry, refused);
}

function decisionIn(entry: Entry, action: string): LoggedDecision | Skipped | undefined {
  const capability = CAPABILITY_OF[action];
  const recorded = recordedIn(entry);
  if (capability === undefined || recorded === undefined) return undefined;
  const isSummary = entry.action === SUMMARY;
  const skip = (skipped: SkipReason): Skipped => ({
    skipped,
    count: isSummary ? (entry.count ?? 1) : 1,
  });
  if (capability === 'list') return skip('list');
  const { path, actor } = entry;
  if (path === undefined || !isSecretPath(path)) return skip('path');
  const workload = workloadIn(actor);
  if (workload === undefined) return skip('workload');
  const named = { workload, path, capability, recorded, session: actor.session };
  return isSummary ? summed(entry, named) : single(entry, named);
}

type Named = Pick<LoggedDecision, 'workload' | 'path' | 'capability' | 'recorded' | 'session'>;

function single({ time, client }: Entry, named: Named): LoggedDecision {
  const at = Date.parse(time);
  const sourceAddress = client?.address ?? '';
  return { ...named, at, first: at, last: at, count: 1, isPodKnown: true, sourceAddress };
}

/** A summary of one pod names it; a summary of several names none. Its requests arrived at several times, from addresses that it does not record. */
function summed({ time, since, last, count = 1 }: Entry, named: Named): LoggedDecision {
  const { workload } = named;
  return {
    ...named,
    at: Number.NaN,
    first: Date.parse(since ?? time),
    last: Date.parse(last ?? time),
    count,
    isPodKnown: 'identity' in workload || workload.pod !== undefined,
    sourceAddress: '',
  };
}

/** A failure after the decision names the policy that allowed it. A failure without a policy came before the decision. */
function recordedIn({ outcome, reason, policy }: Entry): Recorded | undefined {
  const named = policy && { policy: policy.name, version: policy.version, rule: policy.rule };
  if (outcome !== 'ok' && POLICY_DENIALS.includes(reason)) return { effect: 'deny', ...named };
  return outcome === 'ok' || named !== undefined ? { effect: 'allow', ...named } : undefined;
}

function workloadIn({ id, podName, podUid, nodeName }: Actor): Workload | undefined {
  const account = parseWorkloadId(id);
  if (account === undefined) return undefined;
  const workload = workloadOf(account);
  if ('identity' in workload) return workload;
  return {
    ...workload,
    ...(podUid !== undefined && { pod: { name: podName ?? '', uid: podUid } }),
    ...(nodeName !== undefined && { node: { name: nodeName } }),
  };
}
