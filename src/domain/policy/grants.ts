import { isCovered } from '../network/cidr.ts';
import type { AccessPolicy, Capability } from './access-policy.ts';
import { bindRule } from './bound-rule.ts';
import { ruleLabel } from './compiled-policy.ts';
import type { CompiledPolicy, CompiledRule, CompiledSubject } from './compiled-policy.ts';
import { allowsFor } from './decide.ts';
import type { AccessRequest } from './decision.ts';
import { ANY_DEPTH, fillIn } from './path-pattern.ts';
import { variableValues } from './policy-variable.ts';
import { patternMatches } from './rule-inspection.ts';
import { globMatches, segmentGlob } from '../words/segment-glob.ts';
import type { WorkloadView } from './workload-view.ts';

/** One path pattern of one allow rule: the smallest part that an author can remove. */
export interface PolicyGrant {
  readonly policy: string;
  readonly rule: string;
  readonly path: string;
}

/** All grants of a policy, in the order of the document. */
export function grantsOf({ metadata, spec }: AccessPolicy): readonly PolicyGrant[] {
  return spec.rules.flatMap(({ effect, paths, ...rule }, index) =>
    effect === 'deny'
      ? []
      : paths.map((path) => ({ policy: metadata.name, rule: ruleLabel(rule, index), path })),
  );
}

/** The grants that match the request or, with unknown facts, may match it. */
export function grantsFor(view: WorkloadView, request: AccessRequest): readonly PolicyGrant[] {
  const values = variableValues(request.workload);
  const segments = request.path.split('/');
  return allowsFor(view, request).flatMap((rule) =>
    rule.paths
      .filter((pattern) => {
        const filled = fillIn(pattern, values);
        return filled !== undefined && patternMatches(filled, segments, rule);
      })
      .map((path) => ({ policy: rule.policy, rule: rule.label, path })),
  );
}

/** A grant that a change of its policy adds, or a deny that the change removes: the change widens the policy. */
export interface WidenedGrant extends PolicyGrant {
  readonly change: 'allow_added' | 'deny_removed';
  readonly capabilities: readonly Capability[];
}

/**
 * Access that a change of one policy widens, judged by its text alone. Undefined stands for an absent policy. Patterns are compared, not the paths
 * that exist, and only within the policy: a grant that another policy has too is listed.
 */
export function widenedGrants(
  before: CompiledPolicy | undefined,
  after: CompiledPolicy | undefined,
): readonly WidenedGrant[] {
  return [
    ...uncovered(after, before, 'allow').map((each) => ({
      ...each,
      change: 'allow_added' as const,
    })),
    ...uncovered(before, after, 'deny').map((each) => ({
      ...each,
      change: 'deny_removed' as const,
    })),
  ];
}

/**
 * Reports whether a change of one policy denies many paths to many workloads. A deny of one path, or for workloads that are named, is
 * not counted: an operator must be able to contain an attack at once. A path with a variable stands for many.
 */
export function deniesMany(
  before: CompiledPolicy | undefined,
  after: CompiledPolicy | undefined,
): boolean {
  if (after?.subjects.every(isNamed) !== false) return false;
  return uncovered(after, before, 'deny').some(({ path }) => /[*$]/.test(path));
}

function isNamed({ names }: CompiledSubject): boolean {
  return names.every((levels) => levels.every((level) => !level.includes('*')));
}

/** The parts of the rules of `own` with this effect that no rule of `other` covers. */
function uncovered(
  own: CompiledPolicy | undefined,
  other: CompiledPolicy | undefined,
  effect: 'allow' | 'deny',
): readonly Omit<WidenedGrant, 'change'>[] {
  if (own === undefined) return [];
  const isForAll =
    other !== undefined &&
    own.subjects.every((subject) => other.subjects.some((each) => coversSubject(each, subject)));
  const covering = isForAll ? other.rules.filter((rule) => rule.effect === effect) : [];
  return own.rules.flatMap((rule) => {
    if (rule.effect !== effect) return [];
    return rule.paths.flatMap((path) => {
      const covers = covering.filter((wide) => coversPath(wide, rule, path));
      const capabilities = [...rule.capabilities].filter(
        (capability) => !covers.some((wide) => wide.capabilities.has(capability)),
      );
      const grant = { policy: own.name, rule: rule.label, path, capabilities };
      return capabilities.length === 0 ? [] : [grant];
    });
  });
}

function coversSubject(wide: CompiledSubject, narrow: CompiledSubject): boolean {
  const hasLabels = wide.podLabels.every(([key, value]) =>
    narrow.podLabels.some(([own, text]) => own === key && text === value),
  );
  return (
    hasLabels && narrow.names.every((names) => wide.names.some((each) => coversNames(each, names)))
  );
}

function coversNames(wide: readonly string[], narrow: readonly string[]): boolean {
  return (
    wide.length === narrow.length && wide.every((name, at) => coversText(name, narrow[at] ?? ''))
  );
}

/** Compares two texts. Only a star of the wide pattern matches a star of the narrow one, so each text of the narrow one matches the wide one. */
function coversText(wide: string, narrow: string): boolean {
  const glob = segmentGlob(wide);
  return glob === undefined ? wide === narrow : globMatches(glob, narrow);
}

/** More segments than a path may have: only `**` matches them all. */
const MANY = new Array<string>(17).fill(ANY_DEPTH);

function coversPath(wide: CompiledRule, narrow: CompiledRule, path: string): boolean {
  if (!coversConditions(wide, narrow)) return false;
  const forms = path
    .split('/')
    .reduce<readonly (readonly string[])[]>(
      (made, segment) =>
        segment === ANY_DEPTH
          ? made.flatMap((form) => [form, [...form, ...MANY]])
          : made.map((form) => [...form, segment]),
      [[]],
    );
  const bound = bindRule({ name: '', version: 0, subjects: [], rules: [] }, wide, [], 0);
  return wide.paths.some((pattern) =>
    forms.every((form) => patternMatches(pattern.split('/'), form, bound)),
  );
}

/** Time windows are compared as they are written: a changed one counts as wider. */
function coversConditions(wide: CompiledRule, narrow: CompiledRule): boolean {
  const { sealedDelivery, timeWindows } = wide.source.conditions ?? {};
  const { conditions: other = {} } = narrow.source;
  return (
    (wide.maxLeaseTtlSeconds ?? Infinity) >= (narrow.maxLeaseTtlSeconds ?? Infinity) &&
    coversNetworks(wide.sourceCidrs, narrow.sourceCidrs) &&
    (timeWindows === undefined ||
      JSON.stringify(timeWindows) === JSON.stringify(other.timeWindows)) &&
    (sealedDelivery === undefined || sealedDelivery === other.sealedDelivery)
  );
}

function coversNetworks(
  wide: CompiledRule['sourceCidrs'],
  narrow: CompiledRule['sourceCidrs'],
): boolean {
  if (wide === undefined) return true;
  return narrow?.every((block) => isCovered(block, wide)) === true;
}
