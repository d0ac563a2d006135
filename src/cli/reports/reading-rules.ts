import { ruleLabel, type AccessPolicy, type PolicySubject } from '../../domain/policy/index.ts';
import { glob } from '../../domain/words/glob.ts';

/** A rule of a policy about reads. */
export interface ReadingRule {
  readonly policy: string;
  readonly rule: string;
  readonly effect: 'allow' | 'deny';
  /** The workloads that it concerns, each in one text. */
  readonly subjects: readonly string[];
  /** Says that it concerns them only under conditions, such as a network or a time. */
  readonly isConditional: boolean;
  readonly reaches: (path: string) => boolean;
}

const VARIABLE = /\$\{[^}]*\}/g;

/** Lists every rule about reads. A variable, such as the namespace of the caller, stands for anything. */
export function readingRules(
  policies: readonly { readonly document: AccessPolicy }[],
): readonly ReadingRule[] {
  return policies.flatMap(({ document: { metadata, spec } }) =>
    spec.rules.flatMap((rule, index) => {
      if (!rule.capabilities.includes('read')) return [];
      const globs = rule.paths.map((pattern) => glob(pattern.replaceAll(VARIABLE, '*')));
      return {
        policy: metadata.name,
        rule: ruleLabel(rule, index),
        effect: rule.effect,
        subjects: spec.subjects.map(subjectText),
        isConditional: rule.conditions !== undefined,
        reaches: (path: string) => globs.some((matches) => matches(path)),
      };
    }),
  );
}

/** The workloads of a subject, as names or patterns of names. */
export function subjectText(subject: PolicySubject): string {
  const clusters = subject.clusters.join('|');
  if ('identities' in subject) return `ci://${clusters}/${subject.identities.join('|')}`;
  const labels = Object.entries(subject.podLabels ?? {}).map(([name, value]) => `${name}=${value}`);
  const names = `${subject.namespaces.join('|')}/${subject.serviceAccounts.join('|')}`;
  return `k8s://${clusters}/${names}${labels.length === 0 ? '' : ` with ${labels.join(', ')}`}`;
}
