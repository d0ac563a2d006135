/** Whether something holds, as far as can be told. */
export type Certainty = 'yes' | 'no' | 'unknown';

/** What cannot be told never helps the caller: an allow needs certainty, a deny only the lack of the contrary. */
export function counts(certainty: Certainty, effect: 'allow' | 'deny'): boolean {
  return certainty === 'yes' || (certainty === 'unknown' && effect === 'deny');
}
