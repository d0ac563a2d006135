import { LRUCache } from 'lru-cache';
import type { Clock } from '../../ports/clock.ts';
import { lruOptions } from '../../broker/kernel/lru-options.ts';
import { Buckets } from '../../broker/kernel/token-bucket.ts';

/** Repeats within this time after an alert are counted with it. */
const WINDOW_MS = 60_000;
/** Limit of alerts whose repeats are counted; above it, the oldest windows close. */
const MOST_WINDOWS = 10_000;
/** Ids of taken alerts, so that one that is delivered twice changes nothing. */
const MOST_IDS = 50_000;
/** Alerts about one pod that are only recorded, each in a row of its own. */
const ROWS_OF_POD = { perSecond: 1, burst: 60 };

/** Outcomes that every source shows from the start. */
export const ALERT_OUTCOMES = ['kept', 'unmatched', 'responding', 'pending', 'repeated'] as const;

/** Outcome of a delivered alert. `joined`: it belongs to an alert or a response that the broker has already. `repeated`: it was delivered before. */
export type AlertOutcome = (typeof ALERT_OUTCOMES)[number] | 'joined' | 'refused';

/** An alert that was taken, as far as the decision on a repeat needs it. */
export interface TakenAlert {
  readonly id: string;
  readonly outcome: AlertOutcome;
  /** Names what must still be the same, so that a repeat is counted. */
  readonly basis: string;
  /** The fence of the scope that the response cuts off or suspends. */
  readonly row?: string;
}

/** An alert that is being taken. */
export interface ArrivingAlert {
  readonly id: string;
  /** Source, rule and pod, as the alert names them. */
  readonly key: string;
  /** Source and pod. */
  readonly pod: string;
  /** The response rule, the pod and its quarantine, as they are now. */
  basis(taken: TakenAlert): string;
}

/** Repeats of one alert since they were last saved. */
export interface Repeats {
  readonly count: number;
  readonly lastAt: number;
}

interface Window {
  readonly taken: Promise<TakenAlert>;
  readonly until: number;
}

/**
 * Counts repeats in memory: thousands of alerts about one pod must neither fill the store nor delay the alerts about others. The first alert of a source, a
 * rule and a pod is committed; a repeat within a minute only raises its count, if it would have the same response.
 */
export class AlertFloods {
  readonly #clock: Clock;
  readonly #windows = new Map<string, Window>();
  readonly #ofPod = new LRUCache<string, TakenAlert>(lruOptions(MOST_WINDOWS));
  readonly #ids = new LRUCache<string, true>(lruOptions(MOST_IDS));
  readonly #rows: Buckets;
  #repeats = new Map<string, Repeats>();

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#rows = new Buckets(clock, ROWS_OF_POD);
  }

  /** Counts a repeat, or runs `first`. @throws the errors of `first`, also for alerts that waited for it */
  async take(arriving: ArrivingAlert, first: () => Promise<TakenAlert>): Promise<AlertOutcome> {
    for (;;) {
      if (this.#ids.has(arriving.id)) return 'repeated';
      const window = this.#windows.get(arriving.key);
      if (window === undefined || window.until <= this.#clock.now()) break;
      const taken = await window.taken;
      if (taken.basis === arriving.basis(taken)) return this.#repeat(taken, arriving.id);
      if (this.#windows.get(arriving.key) === window) this.#windows.delete(arriving.key);
    }
    const taken = await this.#open(arriving, first);
    if (taken.outcome !== 'repeated') this.#ofPod.set(arriving.pod, taken);
    return taken.outcome;
  }

  /** Counts an alert that is only recorded with the last one about its pod, if the pod has had its rows. Undefined: it gets a row. */
  crowd({ id, pod }: ArrivingAlert): AlertOutcome | undefined {
    const taken = this.#ofPod.get(pod);
    const isFree = this.#rows.of(pod).take(1, this.#clock.monotonic()) === 0;
    return isFree || taken === undefined ? undefined : this.#repeat(taken, id);
  }

  /** Takes the repeats that are not saved yet, by the id of their alert. */
  takeRepeats(): ReadonlyMap<string, Repeats> {
    const taken = this.#repeats;
    this.#repeats = new Map();
    return taken;
  }

  /** Counts repeats again that could not be saved. */
  giveBack(id: string, { count, lastAt }: Repeats): void {
    const { count: more, lastAt: last } = this.#repeats.get(id) ?? { count: 0, lastAt };
    this.#repeats.set(id, { count: count + more, lastAt: Math.max(last, lastAt) });
  }

  #repeat(taken: TakenAlert, id: string): AlertOutcome {
    if (this.#ids.has(id)) return 'repeated';
    this.#ids.set(id, true);
    this.giveBack(taken.id, { count: 1, lastAt: this.#clock.now() });
    return 'joined';
  }

  async #open({ id, key }: ArrivingAlert, first: () => Promise<TakenAlert>): Promise<TakenAlert> {
    const now = this.#clock.now();
    // The map has the order of insertion, which is that of the ends.
    this.#windows.delete(key);
    for (const [oldest, { until }] of this.#windows) {
      if (until > now && this.#windows.size < MOST_WINDOWS) break;
      this.#windows.delete(oldest);
    }
    // The id is known before any alert that waits for this one continues: it may be the same alert.
    const taken = first().then((each) => {
      this.#ids.set(id, true);
      return each;
    });
    const window = { taken, until: now + WINDOW_MS };
    this.#windows.set(key, window);
    const close = (): void => {
      if (this.#windows.get(key) === window) this.#windows.delete(key);
    };
    try {
      const own = await taken;
      if (own.outcome === 'repeated') close();
      return own;
    } catch (error) {
      close();
      throw error;
    }
  }
}
