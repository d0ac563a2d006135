/**
 * When to renew what ends at `endsAt`: at two thirds of what is left, and up to a tenth later, so that what began together does not stay
 * together. Never before two thirds: the broker extends a lease in its last third only. Milliseconds; `random` in [0, 1).
 */
export function twoThirds(now: number, endsAt: number, random: () => number): number {
  return now + Math.max(0, endsAt - now) * (0.67 + random() * 0.1);
}
