import type { Decision } from './decision.ts';

/** The part of a rule that did not hold. Pod labels belong to the subject. */
export type RuleElement = 'subject' | 'path' | 'capability' | 'condition';

export interface RuleNote {
  readonly policy: string;
  readonly version: number;
  readonly rule: string;
  readonly effect: 'allow' | 'deny';
  /** Absent when the rule matched. */
  readonly failed?: RuleElement;
  /** One readable clause: why it failed, or what a matching deny could not evaluate. */
  readonly detail?: string;
}

/** Why a decision came out as it did. For operators only: it names rules. */
export interface Explanation {
  readonly decision: Decision;
  readonly matched: readonly RuleNote[];
  /** Rules with exactly one element that did not hold. */
  readonly nearMisses: readonly RuleNote[];
  /** Whether every rule was checked and every note is listed. */
  readonly complete: boolean;
  readonly lines: readonly string[];
}
