import { timeWindowHolds, type TimeWindow } from '../time/time-window.ts';

const MINUTE_MS = 60_000;
const WEEK_MINUTES = 7 * 24 * 60;
/** The offset of a zone changes by less than this, so a wall clock differs by less from the computed time. */
const SLACK_MINUTES = 180;
/** Attempts before the search ends: a window that opens in a skipped hour opens a week later. */
const MOST_LOOKS = 60;

/**
 * The first instant, from `from` on, that lies in one of the windows; `from` itself if there are no windows. Milliseconds; undefined if none opens.
 */
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

/** Minutes until the window starts by the wall clock, if the offset of its zone does not change. */
function minutesUntilStart({ days, fromMinute, zone }: TimeWindow, at: number): number {
  const { day, minute } = zone.at(at);
  const now = day * 24 * 60 + minute;
  const waits = [...days].map(
    (start) => (start * 24 * 60 + fromMinute - now + WEEK_MINUTES) % WEEK_MINUTES,
  );
  return Math.min(...waits);
}

/** Reports whether the computed start is right: the offset does not change before it, so that a search minute by minute is not needed. */
function startsAfter({ fromMinute, zone }: TimeWindow, at: number, minutes: number): boolean {
  return zone.at(at + minutes * MINUTE_MS).minute === fromMinute;
}
