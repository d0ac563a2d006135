/** The forms in which alerts arrive. */
export const ALERT_FORMATS = [
  'falcosidekick',
  'falco',
  'sysdig',
  'tracee',
  'tetragon',
  'kubernetes-audit',
  'generic',
] as const;
export type AlertFormat = (typeof ALERT_FORMATS)[number];

/** The levels of syslog (RFC 5424), the least urgent first: `notice` is more urgent than `informational`. */
export const PRIORITIES = [
  'debug',
  'informational',
  'notice',
  'warning',
  'error',
  'critical',
  'alert',
  'emergency',
] as const;
export type Priority = (typeof PRIORITIES)[number];

/** An alert in the normal form, whatever sent it. A fact that the source did not give is undefined. */
export interface Alert {
  readonly rule: string;
  readonly tags: readonly string[];
  readonly priority: Priority;
  /** Time of the event, milliseconds since the epoch. Undefined if the source gave no usable time. */
  readonly time: number | undefined;
  /** The time as the source wrote it, with its nanoseconds, and the id if the source gives one: together they distinguish two events. */
  readonly instance: string;
  /** Name of the cluster as the source wrote it; most sources give none. */
  readonly cluster?: string | undefined;
  readonly node: string | undefined;
  readonly container: {
    /** The first 12 hexadecimal digits, or more of them. */
    readonly id: string | undefined;
    readonly imageDigest: string | undefined;
  };
  readonly pod: {
    readonly namespace: string | undefined;
    readonly name: string | undefined;
    readonly uid: string | undefined;
  };
  /** A rule that only tests the way from the source to the broker. */
  readonly isTest: boolean;
}

/** Reports whether `priority` is at least as urgent as `least`. */
export function isAtLeast(priority: Priority, least: Priority): boolean {
  return PRIORITIES.indexOf(priority) >= PRIORITIES.indexOf(least);
}
