import { isAtLeast, type Alert, type Priority } from './alert.ts';

export const RESPONSE_ACTIONS = ['audit', 'revoke', 'quarantine'] as const;
export type ResponseAction = (typeof RESPONSE_ACTIONS)[number];

/** Scopes that a response cuts off. `workload` is the service account of the pod, with all its pods; `image` all running pods with the same image. */
export const RESPONSE_SCOPES = ['pod', 'workload', 'image'] as const;
export type ResponseScope = (typeof RESPONSE_SCOPES)[number];

/** `read`: the secrets that the scope has read are rotated at once. */
export const RESPONSE_ROTATIONS = ['none', 'read'] as const;
export type ResponseRotation = (typeof RESPONSE_ROTATIONS)[number];

export interface ResponseRuleSpec {
  readonly description?: string | undefined;
  /** The rule with the smallest number is tried first; rules with the same number in the order of their names. */
  readonly order: number;
  /** All conditions must hold; an empty list matches everything. */
  readonly match: {
    readonly sources: readonly string[];
    /** Names of rules; a `*` at the end is a prefix. */
    readonly rules: readonly string[];
    /** The alert must have one of these tags. */
    readonly tags: readonly string[];
    readonly minPriority: Priority;
    /** Namespaces of the pod; a `*` at the end is a prefix. */
    readonly namespaces: readonly string[];
  };
  readonly action: ResponseAction;
  readonly scope: ResponseScope;
  readonly rotate: ResponseRotation;
}

export interface ResponseRule {
  readonly name: string;
  readonly version: number;
  readonly spec: ResponseRuleSpec;
}

/** The first rule for the alert, in the order of `inOrder`. */
export function ruleFor(
  rules: readonly ResponseRule[],
  source: string,
  alert: Pick<Alert, 'rule' | 'tags' | 'priority'>,
  namespace: string,
): ResponseRule | undefined {
  return rules.find(({ spec: { match } }) => {
    return (
      names(match.sources, source) &&
      names(match.rules, alert.rule) &&
      (match.tags.length === 0 || match.tags.some((tag) => alert.tags.includes(tag))) &&
      isAtLeast(alert.priority, match.minPriority) &&
      names(match.namespaces, namespace)
    );
  });
}

export function inOrder(rules: readonly ResponseRule[]): readonly ResponseRule[] {
  return [...rules].sort((a, b) => a.spec.order - b.spec.order || (a.name < b.name ? -1 : 1));
}

/** Reports whether one of the patterns is the text, or a prefix of it with a `*` at its end. An empty list matches everything. */
export function names(patterns: readonly string[], text: string): boolean {
  return (
    patterns.length === 0 ||
    patterns.some((pattern) =>
      pattern.endsWith('*') ? text.startsWith(pattern.slice(0, -1)) : text === pattern,
    )
  );
}
