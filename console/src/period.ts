export const DAY_MS = 86_400_000;

/** Periods that end now, by their number of days. */
export const PERIODS = [
  ['1', 'the last day'],
  ['7', 'the last 7 days'],
  ['30', 'the last 30 days'],
  ['365', 'the last year'],
] as const;
