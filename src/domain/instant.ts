const MOST_KEPT = 1_024;
const kept = new Map<number, string>();

/**
 * RFC 3339 in UTC, with milliseconds: the one form in which entries and answers tell times. What was told lately is kept: formatting
 * costs as much as the rest of an entry, and the end of a lease is told twice with each read.
 */
export function instant(ms: number): string {
  let text = kept.get(ms);
  if (text === undefined) {
    text = new Date(ms).toISOString();
    if (kept.size >= MOST_KEPT) kept.clear();
    kept.set(ms, text);
  }
  return text;
}
