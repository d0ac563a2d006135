import type { Decision } from './decision.ts';

/** The part of a rule that did not match. Pod labels belong to the subject. */
export type RuleElement = 'subject' | 'path' | 'capability' | 'condition';

export interface RuleNote {
  readonly policy: string;
  readonly version: number;
  readonly rule: string;
  readonly effect: 'allow' | 'deny';
  /** Absent when the rule matched. */
  readonly failed?: RuleElement;
  /** One readable clause: why the rule failed, or which part of a matching deny could not be evaluated. */
  readonly detail?: string;
}

/** The reasons of a decision, for operators only: it names rules. */
export interface Explanation {
  readonly decision: Decision;
  readonly matched: readonly RuleNote[];
  /** Rules that failed in exactly one element. */
  readonly nearMisses: readonly RuleNote[];
  /** True if every rule was checked and every note is listed. */
  readonly complete: boolean;
  readonly lines: readonly string[];
}
