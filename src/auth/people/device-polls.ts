import { LRUCache } from 'lru-cache';
import type { Clock } from '../../ports/clock.ts';

/** Device logins whose next poll is remembered. An issuer forgets a code within minutes. */
const MOST = 1_000;
/** RFC 8628 §3.5: `slow_down` makes the interval longer by this time. */
const SLOWER_MS = 5_000;

/** Times at which the device logins of one issuer may be polled again. Anybody may poll, so the broker keeps the interval of the issuer itself. */
export class DevicePolls {
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #due = new LRUCache<string, number>({ max: MOST });

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.#clock = clock;
  }

  /** Reports whether the issuer may be asked now, and counts the poll. */
  admit(deviceCode: string, intervalSeconds: number): boolean {
    const now = this.#clock.monotonic();
    if (now < (this.#due.get(deviceCode) ?? now)) return false;
    this.#due.set(deviceCode, now + intervalSeconds * 1000);
    return true;
  }

  slowDown(deviceCode: string): void {
    const due = this.#due.get(deviceCode) ?? this.#clock.monotonic();
    this.#due.set(deviceCode, due + SLOWER_MS);
  }
}
