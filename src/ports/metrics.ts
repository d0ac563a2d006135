import type { DurationTally } from '../domain/time/duration-tally.ts';

export type Labels = Readonly<Record<string, string>>;

interface Named {
  /** A name that ends with `_total` is a counter, any other a gauge. */
  readonly name: string;
  readonly help: string;
}

/**
 * One metric of Prometheus, read at each scrape. Metrics show counts and states, but no names of callers or paths, because any client may
 * scrape them.
 */
export type Metric = Named &
  (
    | { readonly value: () => number | Promise<number> }
    | {
        readonly labels: readonly string[];
        readonly values: () => Iterable<Sample> | Promise<Iterable<Sample>>;
      }
    | {
        readonly labels: readonly string[];
        /** A histogram in seconds. */
        readonly durations: () => Iterable<readonly [Labels, DurationTally]>;
      }
  );

export type Sample = readonly [Labels, number];

/** The metrics of a process. */
export interface Metrics {
  add(metrics: readonly Metric[]): void;
  readonly contentType: string;
  /** Reads all metrics, in the text format of Prometheus. */
  text(): Promise<string>;
}
