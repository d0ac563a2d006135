import { timeWindowHolds, type TimeWindow } from '../time/time-window.ts';

const MINUTE_MS = 60_000;
const WEEK_MINUTES = 7 * 24 * 60;
/** A zone's offset changes by less than this; no wall clock is further off than that from where arithmetic puts it. */
const SLACK_MINUTES = 180;
/** Weeks that are looked at: an opening in an hour that is skipped comes a week later. */
const MOST_LOOKS = 60;

/** The first instant from `from` on that lies in one of the windows; `from` itself where there are none. Milliseconds; undefined: none opens. */
export function nextOpening(windows: readonly TimeWindow[], from: number): number | undefined {
  if (windows.length === 0 || isOpen(windows, from)) return from;
  let at = Math.ceil(from / MINUTE_MS) * MINUTE_MS;
  for (let looks = 0; looks < MOST_LOOKS; looks += 1) {
    const waits = windows.map((window) => minutesUntilStart(window, at));
    const ahead = Math.min(...waits);
    if (windows.every((window, index) => startsAfter(window, at, waits[index] ?? 0)))
      return at + ahead * MINUTE_MS;
    const first = Math.max(0, ahead - SLACK_MINUTES);
    for (let minute = first; minute <= ahead + SLACK_MINUTES; minute += 1) {
      const candidate = at + minute * MINUTE_MS;
      if (isOpen(windows, candidate)) return candidate;
    }
    at += (ahead + SLACK_MINUTES) * MINUTE_MS;
  }
  return undefined;
}

export function isOpen(windows: readonly TimeWindow[], at: number): boolean {
  return windows.length === 0 || windows.some((window) => timeWindowHolds(window, at));
}

/** By the wall clock, as if its zone's offset stayed. */
function minutesUntilStart({ days, fromMinute, zone }: TimeWindow, at: number): number {
  const { day, minute } = zone.at(at);
  const now = day * 24 * 60 + minute;
  const waits = [...days].map(
    (start) => (start * 24 * 60 + fromMinute - now + WEEK_MINUTES) % WEEK_MINUTES,
  );
  return Math.min(...waits);
}

/** Whether arithmetic was right: no change of the offset lies between, so that there is nothing to look for minute by minute. */
function startsAfter({ fromMinute, zone }: TimeWindow, at: number, minutes: number): boolean {
  return zone.at(at + minutes * MINUTE_MS).minute === fromMinute;
}
