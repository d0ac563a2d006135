import { parseDuration } from '../../domain/policy/duration.ts';
import { UsageError } from './errors.ts';

const STAMP = /^\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:\d{2}))?$/;

/**
 * The instant that an option names, as the API writes it: a time, a day, or a duration such as `2h`, which counts back from now.
 * @throws UsageError with the name of the option
 */
export function instantOf(option: string, text: string, now: number): string {
  const seconds = parseDuration(text);
  if (seconds !== undefined) return new Date(now - seconds * 1000).toISOString();
  const ms = STAMP.test(text) ? Date.parse(text) : NaN;
  if (!Number.isNaN(ms)) return new Date(ms).toISOString();
  throw new UsageError(
    `${option} ${text}: must be a time such as 2026-01-05T10:00:00Z, a day such as 2026-01-05, or a duration back from now such as 2h`,
  );
}

export interface PeriodOptions {
  readonly from?: string;
  readonly since?: string;
  readonly to?: string;
}

/** The period that `--from`, `--since` and `--to` name. @throws UsageError */
export function periodOf(
  { from, since, to }: PeriodOptions,
  now: number,
): { readonly from?: string; readonly to?: string } {
  if (from !== undefined && since !== undefined) {
    throw new UsageError('--from and --since both name the beginning; use one of them');
  }
  const begin =
    since === undefined ? from && instantOf('--from', from, now) : instantOf('--since', since, now);
  const end = to && instantOf('--to', to, now);
  return { ...(begin !== undefined && { from: begin }), ...(end !== undefined && { to: end }) };
}

const UNITS = [
  ['d', 86_400],
  ['h', 3_600],
  ['min', 60],
] as const;

/** The distance in its largest unit: `in 23 min`, `5 h ago`. */
export function distance(ms: number, now: number): string {
  const seconds = Math.round(Math.abs(ms - now) / 1000);
  const [unit, size] = UNITS.find((each) => seconds >= 2 * each[1]) ?? (['s', 1] as const);
  const count = `${Math.floor(seconds / size)} ${unit}`;
  return ms > now ? `in ${count}` : `${count} ago`;
}
