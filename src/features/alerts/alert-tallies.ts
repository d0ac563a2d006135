import type { Clock } from '../../ports/clock.ts';
import { Turns } from '../../broker/kernel/turns.ts';
import { AlertFloods, type AlertOutcome } from './alert-floods.ts';

const RECOUNT_MS = 30_000;
/** Limit of marks; above it, they start again. */
const MOST_MARKS = 10_000;

/** Counts of this process since its start, for metrics, and the repeats of alerts. The limits of responses are counted in the store. */
export class AlertTallies {
  readonly floods: AlertFloods;
  /** Responses of one source begin one by one, because each counts those before it. */
  readonly turns = new Turns();
  readonly #clock: Clock;
  readonly #outcomes = new Map<string, Map<AlertOutcome, number>>();
  readonly #lastAt = new Map<string, number>();
  readonly #marks = new Map<string, number>();
  readonly #pods = new Map<string, { readonly at: number; readonly count: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
    this.floods = new AlertFloods(clock);
  }

  count(source: string, outcome: AlertOutcome): void {
    const own = this.#outcomes.get(source) ?? new Map<AlertOutcome, number>();
    own.set(outcome, (own.get(outcome) ?? 0) + 1);
    this.#outcomes.set(source, own);
    if (outcome !== 'refused') this.#lastAt.set(source, this.#clock.now());
  }

  outcomes(): ReadonlyMap<string, ReadonlyMap<AlertOutcome, number>> {
    return this.#outcomes;
  }

  /** Time at which the source last sent an alert or a test, in this process. */
  lastAt(source: string): number | undefined {
    return this.#lastAt.get(source);
  }

  /** Reports whether this was marked within this time. */
  isMarked(what: string, ms: number): boolean {
    const at = this.#marks.get(what);
    return at !== undefined && at > this.#clock.now() - ms;
  }

  mark(what: string): void {
    if (this.#marks.size >= MOST_MARKS) this.#marks.clear();
    this.#marks.set(what, this.#clock.now());
  }

  /** A count that may be half a minute old: a count of ten thousand sessions for each alert would delay the alerts of a flood. */
  async countPods(cluster: string, count: () => Promise<number>): Promise<number> {
    const known = this.#pods.get(cluster);
    const at = this.#clock.now();
    if (known !== undefined && at - known.at < RECOUNT_MS) return known.count;
    const counted = await count();
    this.#pods.set(cluster, { at, count: counted });
    return counted;
  }
}
