import {
  collectDefaultMetrics,
  Counter,
  Gauge,
  Histogram,
  Registry,
  type HistogramConfiguration,
} from 'prom-client';
import { DURATION_BOUNDS, type DurationTally } from '../domain/time/duration-tally.ts';
import type { Labels, Metric, Metrics, Sample } from '../ports/metrics.ts';

/** Metrics in a registry of prom-client. */
export class RegisteredMetrics implements Metrics {
  readonly registry = new Registry();

  add(metrics: readonly Metric[]): void {
    for (const metric of metrics) register(this.registry, metric);
  }

  /** Adds what the library measures of the process: processor time, memory, the event loop. */
  addProcess(): void {
    collectDefaultMetrics({ register: this.registry });
  }

  get contentType(): string {
    return this.registry.contentType;
  }

  text(): Promise<string> {
    return this.registry.metrics();
  }
}

function register(registry: Registry, metric: Metric): void {
  const { name, help } = metric;
  const labelNames = 'labels' in metric ? [...metric.labels] : [];
  const naming = { name, help, labelNames };
  if ('durations' in metric) {
    registry.registerMetric(new TalliedHistogram(naming, metric.durations));
    return;
  }
  const registers = [registry];
  if (name.endsWith('_total')) {
    new Counter({
      ...naming,
      registers,
      async collect() {
        const samples = await samplesOf(metric);
        this.reset();
        for (const [labels, value] of samples) this.inc(labels, value);
      },
    });
    return;
  }
  new Gauge({
    ...naming,
    registers,
    async collect() {
      const samples = await samplesOf(metric);
      this.reset();
      for (const [labels, value] of samples) this.set(labels, value);
    },
  });
}

async function samplesOf(
  metric: Exclude<Metric, { readonly durations: unknown }>,
): Promise<Iterable<Sample>> {
  return 'value' in metric ? [[{}, await metric.value()]] : metric.values();
}

/** A histogram of durations that are counted in tallies. */
class TalliedHistogram extends Histogram {
  readonly #name: string;
  readonly #empty: Histogram;
  readonly #series: () => Iterable<readonly [Labels, DurationTally]>;

  constructor(
    naming: Pick<HistogramConfiguration<string>, 'name' | 'help' | 'labelNames'>,
    series: () => Iterable<readonly [Labels, DurationTally]>,
  ) {
    const configuration = { ...naming, buckets: [...DURATION_BOUNDS], registers: [] };
    super(configuration);
    this.#name = naming.name;
    this.#empty = new Histogram(configuration);
    this.#series = series;
  }

  override async get(): ReturnType<Histogram['get']> {
    const values = [...this.#series()].flatMap(([labels, durations]) =>
      rowsOf(this.#name, labels, durations),
    );
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

function rowsOf(name: string, labels: Labels, { buckets, seconds }: DurationTally): readonly Row[] {
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
