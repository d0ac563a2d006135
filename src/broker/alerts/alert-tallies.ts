import type { Clock } from '../../ports/clock.ts';

const TEN_MINUTES_MS = 600_000;
/** The longest time that is counted. */
export const HOUR_MS = 3_600_000;
const RECOUNT_MS = 30_000;
/** Limit of marks; above it, they start again. */
const MOST_MARKS = 10_000;

export const ALERT_OUTCOMES = ['kept', 'unmatched', 'responding', 'pending', 'repeated'] as const;
/** Outcome of a delivered alert. */
export type AlertOutcome = (typeof ALERT_OUTCOMES)[number];

/** Counts of this process since its start, for metrics and for the brakes of responses. */
export class AlertTallies {
  readonly #clock: Clock;
  readonly #outcomes = new Map<string, Map<AlertOutcome, number>>();
  readonly #lastAt = new Map<string, number>();
  readonly #recent = new Map<string, number[]>();
  readonly #marks = new Map<string, number>();
  readonly #workloads = new Map<string, { readonly at: number; readonly count: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  count(source: string, outcome: AlertOutcome): void {
    const own = this.#outcomes.get(source) ?? new Map<AlertOutcome, number>();
    own.set(outcome, (own.get(outcome) ?? 0) + 1);
    this.#outcomes.set(source, own);
    this.#lastAt.set(source, this.#clock.now());
  }

  outcomes(): ReadonlyMap<string, ReadonlyMap<AlertOutcome, number>> {
    return this.#outcomes;
  }

  /** Time at which the source last sent an alert or a test, in this process. */
  lastAt(source: string): number | undefined {
    return this.#lastAt.get(source);
  }

  /** Counts how often this was done in the last ten minutes, or in a longer time of an hour at most. */
  recent(what: string, ms = TEN_MINUTES_MS): number {
    const now = this.#clock.now();
    const times = (this.#recent.get(what) ?? []).filter((at) => at > now - HOUR_MS);
    this.#recent.set(what, times);
    return times.filter((at) => at > now - ms).length;
  }

  done(what: string): void {
    const times = this.#recent.get(what) ?? [];
    times.push(this.#clock.now());
    this.#recent.set(what, times);
  }

  /** Reports whether this was marked in the last ten minutes. */
  isMarked(what: string): boolean {
    const at = this.#marks.get(what);
    return at !== undefined && at > this.#clock.now() - TEN_MINUTES_MS;
  }

  mark(what: string): void {
    if (this.#marks.size >= MOST_MARKS) this.#marks.clear();
    this.#marks.set(what, this.#clock.now());
  }

  /** A count that may be half a minute old: a count of ten thousand sessions for each alert would delay the alerts of a flood. */
  async countWorkloads(cluster: string, count: () => Promise<number>): Promise<number> {
    const known = this.#workloads.get(cluster);
    const at = this.#clock.now();
    if (known !== undefined && at - known.at < RECOUNT_MS) return known.count;
    const counted = await count();
    this.#workloads.set(cluster, { at, count: counted });
    return counted;
  }
}
