import { describe, expect, it } from '@jest/globals';
import { nextOpening } from '../../../../src/domain/rotation/next-opening.ts';
import type { TimeWindow } from '../../../../src/domain/time/time-window.ts';
import { openTimeZone } from '../../../../src/domain/time/time-zone.ts';

const SUNDAY = 6;
function window(fromMinute: number, toMinute: number, days = [SUNDAY]): TimeWindow {
  return { days: new Set(days), fromMinute, toMinute, zone: openTimeZone('Europe/Berlin')! };
}
const of = (from: string, ...windows: TimeWindow[]): string =>
  new Date(nextOpening(windows, Date.parse(from))!).toISOString().slice(0, 16);

describe('the next opening of windows', () => {
  it.each([
    ['2026-06-06T12:00Z', 120, 300, '2026-06-07T00:00'],
    ['2026-06-07T01:30Z', 120, 300, '2026-06-07T01:30'],
    ['2026-06-07T03:00Z', 120, 300, '2026-06-14T00:00'],
    // An hour that the change to summer time skips: the window opens the week after, or at the change if it reaches
    // beyond.
    ['2026-03-28T12:00Z', 135, 165, '2026-04-05T00:15'],
    ['2026-03-28T12:00Z', 150, 240, '2026-03-29T01:00'],
    // An hour that occurs twice: the first.
    ['2026-10-24T12:00Z', 135, 165, '2026-10-25T00:15'],
    // Past midnight.
    ['2026-06-06T12:00Z', 1380, 60, '2026-06-07T21:00'],
    ['2026-06-07T22:30Z', 1380, 60, '2026-06-07T22:30'],
  ])('follows %s of %i to %i at %s', (from, fromMinute, toMinute, expected) => {
    expect(of(from, window(fromMinute, toMinute))).toBe(expected);
  });

  it('is the earliest of several, and now without windows', () => {
    expect(of('2026-06-06T12:00Z', window(300, 360), window(120, 180))).toBe('2026-06-07T00:00');
    expect(of('2026-06-06T12:00Z')).toBe('2026-06-06T12:00');
  });
});
