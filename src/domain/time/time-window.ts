import type { TimeZone } from './time-zone.ts';

/** Hours on the wall clock of a zone. Days are numbered from Monday, 0; they are the days on which the window starts. */
export interface TimeWindow {
  readonly days: ReadonlySet<number>;
  readonly fromMinute: number;
  /** Exclusive; less than `fromMinute` if the window runs past midnight. */
  readonly toMinute: number;
  readonly zone: TimeZone;
}

const TIME = /^([01][0-9]|2[0-3]):([0-5][0-9])$/;
const END_OF_DAY = 24 * 60;

/** Minutes after midnight of `HH:MM`; `24:00` is accepted only as the end of a day. */
export function parseTimeOfDay(text: string, isEnd: boolean): number | undefined {
  if (isEnd && text === '24:00') return END_OF_DAY;
  const match = TIME.exec(text);
  return match === null ? undefined : Number(match[1]) * 60 + Number(match[2]);
}

/**
 * Compares wall clocks, so a window keeps its hours when the offset of the zone changes: an hour that is skipped never matches, an hour that occurs
 * twice matches twice.
 */
export function timeWindowHolds(window: TimeWindow, now: number): boolean {
  const { day, minute } = window.zone.at(now);
  const { days, fromMinute, toMinute } = window;
  if (fromMinute < toMinute) return days.has(day) && minute >= fromMinute && minute < toMinute;
  const startedToday = days.has(day) && minute >= fromMinute;
  return startedToday || (days.has((day + 6) % 7) && minute < toMinute);
}
