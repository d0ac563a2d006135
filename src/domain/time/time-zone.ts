/** The time on the wall clock of a zone: the day from Monday, 0, and minutes after midnight. */
interface WallClock {
  readonly day: number;
  readonly minute: number;
}

export interface TimeZone {
  at(now: number): WallClock;
}

/** IANA names only: with an offset such as `+01:00`, which Intl accepts too, a window would silently ignore daylight saving. */
const ZONE_NAME = /^[A-Za-z][A-Za-z_]*(?:\/[A-Za-z][A-Za-z0-9_+-]*)*$/;
const LONGEST_ZONE_NAME = 64;
const MINUTE_MS = 60_000;
const WEEKDAYS = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'];

/**
 * One formatter for each zone, not for each window: a formatter holds tens of kilobytes. The number is bounded by the zones that the runtime knows.
 */
const ZONES = new Map<string, TimeZone>();

/** Undefined if the runtime does not know the zone. */
export function openTimeZone(name: string): TimeZone | undefined {
  if (name.length > LONGEST_ZONE_NAME || !ZONE_NAME.test(name)) return undefined;
  const key = name.toLowerCase();
  const known = ZONES.get(key);
  if (known !== undefined) return known;
  const format = openFormat(name);
  if (format === undefined) return undefined;
  const zone = new FormattedTimeZone(format);
  ZONES.set(key, zone);
  return zone;
}

function openFormat(timeZone: string): Intl.DateTimeFormat | undefined {
  try {
    return new Intl.DateTimeFormat('en-US', {
      timeZone,
      calendar: 'gregory',
      numberingSystem: 'latn',
      hourCycle: 'h23',
      weekday: 'short',
      hour: '2-digit',
      minute: '2-digit',
    });
  } catch {
    return undefined;
  }
}

class FormattedTimeZone implements TimeZone {
  readonly #format: Intl.DateTimeFormat;
  #lastMinute = Number.NaN;
  #last: WallClock = { day: 0, minute: 0 };

  constructor(format: Intl.DateTimeFormat) {
    this.#format = format;
  }

  /** Caches the last minute: formatting costs more than the rest of a decision. */
  at(now: number): WallClock {
    const minute = Math.floor(now / MINUTE_MS);
    if (minute !== this.#lastMinute) {
      this.#last = this.#read(minute * MINUTE_MS);
      this.#lastMinute = minute;
    }
    return this.#last;
  }

  #read(instant: number): WallClock {
    const parts = new Map(
      this.#format.formatToParts(instant).map(({ type, value }) => [type, value]),
    );
    return {
      day: WEEKDAYS.indexOf(String(parts.get('weekday'))),
      minute: Number(parts.get('hour')) * 60 + Number(parts.get('minute')),
    };
  }
}
