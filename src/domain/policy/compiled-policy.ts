import { parseCidr } from '../network/cidr.ts';
import type { Cidr } from '../network/cidr.ts';
import { BrokerError } from '../errors.ts';
import { parseTimeOfDay } from '../time/time-window.ts';
import type { TimeWindow } from '../time/time-window.ts';
import { openTimeZone } from '../time/time-zone.ts';
import { DAYS } from './access-policy.ts';
import type {
  AccessPolicy,
  Capability,
  PolicyRule,
  PolicySubject,
  PolicyTimeWindow,
  SavedPolicy,
  StoredPolicy,
} from './access-policy.ts';
import { parseDuration } from './duration.ts';
import type { Workload } from '../identity/workload.ts';
import { parsePolicySubjects } from './parse-policy.ts';

export interface CompiledPolicy {
  readonly name: string;
  readonly version: number;
  readonly subjects: readonly CompiledSubject[];
  readonly rules: readonly CompiledRule[];
}

export interface CompiledSubject {
  /** Every combination of the subject's patterns, one for each of the names that {@link subjectNames} returns. */
  readonly names: readonly (readonly string[])[];
  /** All of these labels must be on the pod; an empty list requires none. */
  readonly podLabels: readonly (readonly [string, string])[];
}

export interface CompiledRule {
  /** The name of the rule, or `rules[N]` by its position. */
  readonly label: string;
  readonly effect: 'allow' | 'deny';
  readonly capabilities: ReadonlySet<Capability>;
  readonly paths: readonly string[];
  readonly maxLeaseTtlSeconds: number | undefined;
  readonly sourceCidrs: readonly Cidr[] | undefined;
  readonly timeWindows: readonly TimeWindow[] | undefined;
  readonly sealedDelivery: boolean | undefined;
  /** The rule as it is written. */
  readonly source: PolicyRule;
}

/** @throws ERR_POLICY_INVALID if a part does not parse, such as a zone that this runtime does not know. */
export function compilePolicy({ name, version, policy }: StoredPolicy): CompiledPolicy {
  return {
    name,
    version,
    subjects: policy.spec.subjects.map(compileSubject),
    rules: policy.spec.rules.map(compileRule),
  };
}

/**
 * Compiles the subjects now, and the rules when a workload's view first needs them: a start reads ten thousand policies, and a broker serves
 * the workloads of few of them at first.
 * @throws ERR_POLICY_INVALID when the subjects do not parse. Reading `rules` throws ERR_INTERNAL when they do not: without them a decision
 * could miss a deny.
 */
export function compileSaved({ name, version, body, policy }: SavedPolicy): CompiledPolicy {
  let rules: readonly CompiledRule[] | undefined;
  return {
    name,
    version,
    subjects: parsePolicySubjects(body).map(compileSubject),
    get rules() {
      return (rules ??= savedRules(name, policy));
    },
  };
}

function savedRules(name: string, policy: () => AccessPolicy): readonly CompiledRule[] {
  try {
    return policy().spec.rules.map(compileRule);
  } catch (error) {
    // Its problems name paths and conditions, which the workload must not learn.
    const cause = new Error(`the stored policy "${name}" does not compile`, { cause: error });
    throw new BrokerError('ERR_INTERNAL', undefined, { cause });
  }
}

function compileSubject(subject: PolicySubject): CompiledSubject {
  if ('identities' in subject) {
    const { clusters, identities } = subject;
    const names = clusters.flatMap((cluster) =>
      identities.map((identity) => [oidcCluster(cluster), ...identity.split('/')]),
    );
    return { names, podLabels: [] };
  }
  const { clusters, namespaces, serviceAccounts, podLabels = {} } = subject;
  const names = clusters.flatMap((cluster) =>
    namespaces.flatMap((namespace) =>
      serviceAccounts.map((serviceAccount) => [cluster, namespace, serviceAccount]),
    ),
  );
  return { names, podLabels: Object.entries(podLabels) };
}

/** The names of a workload, level by level, that the patterns of a subject are compared with. */
export function subjectNames(workload: Workload): readonly string[] {
  const { cluster } = workload;
  return 'identity' in workload
    ? [oidcCluster(cluster), ...workload.identity]
    : [cluster, workload.namespace, workload.serviceAccount];
}

/** Marks the cluster name of an OIDC subject. No cluster has such a name, so a subject of one kind never matches a workload of the other. */
function oidcCluster(cluster: string): string {
  return `ci://${cluster}`;
}

export function ruleLabel({ name }: Pick<PolicyRule, 'name'>, index: number): string {
  return name ?? `rules[${index}]`;
}

function compileRule(rule: PolicyRule, index: number): CompiledRule {
  const { effect, paths, maxLeaseTtl, conditions = {} } = rule;
  return {
    label: ruleLabel(rule, index),
    effect,
    capabilities: new Set(rule.capabilities),
    paths,
    maxLeaseTtlSeconds: maxLeaseTtl === undefined ? undefined : parsed(parseDuration(maxLeaseTtl)),
    sourceCidrs: conditions.sourceCidrs?.map((text) => parsed(parseCidr(text))),
    timeWindows: conditions.timeWindows?.map(compileTimeWindow),
    sealedDelivery: conditions.sealedDelivery,
    source: rule,
  };
}

function compileTimeWindow({ from, to, timeZone, days = DAYS }: PolicyTimeWindow): TimeWindow {
  return {
    days: new Set(days.map((day) => DAYS.indexOf(day))),
    fromMinute: parsed(parseTimeOfDay(from, false)),
    toMinute: parsed(parseTimeOfDay(to, true)),
    zone: parsed(openTimeZone(timeZone)),
  };
}

/** A part that does not parse stops the compilation: without the part, an allow would be wider, or a deny would not apply. */
function parsed<T>(part: T | undefined): T {
  if (part === undefined) {
    throw new BrokerError('ERR_POLICY_INVALID', 'a stored policy does not compile');
  }
  return part;
}
