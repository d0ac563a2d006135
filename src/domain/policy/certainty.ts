/** Whether something holds, as far as the broker knows. */
export type Certainty = 'yes' | 'no' | 'unknown';

/** An unknown fact never helps the caller: an allow needs certainty, a deny only the lack of the contrary. */
export function counts(certainty: Certainty, effect: 'allow' | 'deny'): boolean {
  return certainty === 'yes' || (certainty === 'unknown' && effect === 'deny');
}

/** The opposite for unknown facts: the most that the caller could get if they were known. Never for a decision that grants something. */
export function countsAtMost(certainty: Certainty, effect: 'allow' | 'deny'): boolean {
  return certainty === 'yes' || (certainty === 'unknown' && effect === 'allow');
}
