const DURATION = /^([1-9][0-9]{0,7})([smhd])$/;
const SECONDS = new Map([
  ['s', 1],
  ['m', 60],
  ['h', 3_600],
  ['d', 86_400],
]);

/** Seconds of `90s`, `15m`, `12h` or `7d`; undefined for anything else, zero included. */
export function parseDuration(text: string): number | undefined {
  const [, count, unit] = DURATION.exec(text) ?? [];
  const seconds = SECONDS.get(String(unit));
  return seconds === undefined ? undefined : Number(count) * seconds;
}
