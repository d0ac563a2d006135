import { signal } from '@preact/signals';

/** A smaller difference is the time of an answer on its way, and the whole seconds of the header. */
const TOLERANCE_MS = 30_000;

/** Milliseconds by which the clock of the broker is ahead of the clock of this browser. */
let ahead = 0;

/** The time of the broker: the clock of the browser may be wrong. */
export function brokerNow(): number {
  return Date.now() + ahead;
}

/** Grows once a quarter of a minute, so that relative times stay true. */
export const now = signal(brokerNow());
setInterval(() => (now.value = brokerNow()), 15_000);

/** Learns the time of the broker from the `Date` header of an answer. */
export function learnTime(date: string | null): void {
  const difference = Date.parse(date ?? '') - Date.now();
  if (Number.isNaN(difference) || Math.abs(difference - ahead) < TOLERANCE_MS) return;
  ahead = Math.abs(difference) < TOLERANCE_MS ? 0 : difference;
  now.value = brokerNow();
}
