/** Whether something holds, as far as the broker knows. */
export type Certainty = 'yes' | 'no' | 'unknown';

/** An unknown fact never helps the caller: an allow needs certainty, a deny only the lack of the contrary. */
export function counts(certainty: Certainty, effect: 'allow' | 'deny'): boolean {
  return certainty === 'yes' || (certainty === 'unknown' && effect === 'deny');
}
