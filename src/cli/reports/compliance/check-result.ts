/** State of a check. `not-assessed`: the caller may not see the facts that the check needs, or the broker does not know them. */
export type CheckState = 'pass' | 'fail' | 'not-applicable' | 'not-assessed';

export interface CheckResult {
  readonly state: CheckState;
  /** Observation, with counts. */
  readonly text: string;
  /** Examples of what fails. */
  readonly examples: readonly string[];
  /** A command that shows the same. */
  readonly query: string;
  /** Entries of the audit log that are evidence; `quaymaster audit proof` proves each. */
  readonly entries: readonly number[];
}
