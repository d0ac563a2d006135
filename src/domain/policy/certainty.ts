/** The answer to a question of which the broker may not know all facts. */
export type Certainty = 'yes' | 'no' | 'unknown';

/** An unknown fact never helps the caller: an allow must be certain, a deny applies unless it is certain that it does not. */
export function counts(certainty: Certainty, effect: 'allow' | 'deny'): boolean {
  return certainty === 'yes' || (certainty === 'unknown' && effect === 'deny');
}

/** The opposite for unknown facts: the most that the caller could get if they were known. Never used for a decision that grants something. */
export function countsAtMost(certainty: Certainty, effect: 'allow' | 'deny'): boolean {
  return certainty === 'yes' || (certainty === 'unknown' && effect === 'allow');
}
