const MOST_KEPT = 1_024;
const kept = new Map<number, string>();

/**
 * RFC 3339 in UTC, with milliseconds: the only form of times in entries and answers. Recent results are cached: formatting
 * costs as much as the rest of an entry, and each read writes the end of its lease twice.
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
