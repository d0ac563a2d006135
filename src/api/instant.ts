/** RFC 3339 in UTC, with milliseconds: the one form in which answers tell times. */
export function instant(ms: number): string {
  return new Date(ms).toISOString();
}
