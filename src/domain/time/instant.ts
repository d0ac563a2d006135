const MOST_KEPT = 256;
/** The text of a second up to the point before its milliseconds. */
const seconds = new Map<number, string>();
const MILLISECONDS = Array.from({ length: 1_000 }, (_, ms) => `${String(ms).padStart(3, '0')}Z`);

/**
 * RFC 3339 in UTC, with milliseconds: the only form of times in entries and answers. Recent seconds are cached: `toISOString` takes 1 to 3 µs, more than
 * the rest of an entry, and each read writes its own time and twice the end of its lease (measured: 0.05 µs with the cache).
 */
export function instant(ms: number): string {
  const whole = Math.trunc(ms);
  const second = Math.floor(whole / 1_000);
  let text = seconds.get(second);
  if (text === undefined) {
    text = new Date(second * 1_000).toISOString().slice(0, -'000Z'.length);
    if (seconds.size >= MOST_KEPT) seconds.clear();
    seconds.set(second, text);
  }
  return `${text}${MILLISECONDS[whole - second * 1_000] ?? ''}`;
}
