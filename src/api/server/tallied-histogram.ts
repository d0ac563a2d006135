import { Histogram, type HistogramConfiguration, type Registry } from 'prom-client';
import { DURATION_BOUNDS, type DurationTally } from '../../domain/time/duration-tally.ts';

interface Series {
  readonly labels: Readonly<Record<string, string>>;
  readonly durations: DurationTally;
}

interface Naming {
  readonly name: string;
  readonly help: string;
  readonly labelNames: readonly string[];
}

/** Registers a histogram of durations that are counted in tallies. `series` is called at each scrape. */
export function registerDurations(
  registry: Registry,
  naming: Naming,
  series: () => Iterable<Series>,
): void {
  registry.registerMetric(new TalliedHistogram(naming, series));
}

class TalliedHistogram extends Histogram {
  readonly #naming: Naming;
  readonly #empty: Histogram;
  readonly #series: () => Iterable<Series>;

  constructor(naming: Naming, series: () => Iterable<Series>) {
    const configuration: HistogramConfiguration<string> = {
      ...naming,
      labelNames: [...naming.labelNames],
      buckets: [...DURATION_BOUNDS],
      registers: [],
    };
    super(configuration);
    this.#naming = naming;
    this.#empty = new Histogram(configuration);
    this.#series = series;
  }

  override async get(): ReturnType<Histogram['get']> {
    const values = [...this.#series()].flatMap((each) => rowsOf(this.#naming.name, each));
    return { ...(await this.#empty.get()), values };
  }

  /** The registry prefers this method to `get`, although the types of the library do not name it. */
  getForPromString(): ReturnType<TalliedHistogram['get']> {
    return this.get();
  }
}

interface Row {
  readonly value: number;
  readonly labels: Readonly<Record<string, string | number>>;
  readonly metricName: string;
}

function rowsOf(name: string, { labels, durations: { buckets, seconds } }: Series): readonly Row[] {
  let count = 0;
  const rows = Array.from(buckets, (value, index): Row => {
    count += value;
    const le = DURATION_BOUNDS[index] ?? '+Inf';
    return { value: count, labels: { ...labels, le }, metricName: `${name}_bucket` };
  });
  return [
    ...rows,
    { value: seconds, labels, metricName: `${name}_sum` },
    { value: count, labels, metricName: `${name}_count` },
  ];
}
