const MOST_SECONDS = 3600;

/**
 * `Retry-After` in seconds, 1 to 3600 (RFC 9110 section 10.2.3). A date is compared with the `Date` of the same response, so clocks need not agree.
 */
export function retryAfterSeconds(
  retryAfter: string | undefined,
  date: string | undefined,
): number | undefined {
  if (retryAfter === undefined) return undefined;
  const seconds = /^\d{1,9}$/.test(retryAfter)
    ? Number(retryAfter)
    : Math.ceil((parseDate(retryAfter) - parseDate(date ?? '')) / 1000);
  return Number.isFinite(seconds) ? Math.min(Math.max(seconds, 1), MOST_SECONDS) : undefined;
}

/** Requires GMT: `Date.parse` alone accepts `-1` as a year. */
function parseDate(text: string): number {
  return text.endsWith(' GMT') ? Date.parse(text) : Number.NaN;
}
