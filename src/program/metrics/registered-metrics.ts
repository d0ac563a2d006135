import { setTimeout as sleep } from 'node:timers/promises';
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import { DURATION_BOUNDS, type DurationTally } from '../../domain/time/duration-tally.ts';
import type { Clock } from '../../ports/clock.ts';
import { withDeadline } from '../../ports/deadline.ts';
import type { Log } from '../../ports/log.ts';
import type { Labels, Metric, Metrics } from '../../ports/metrics.ts';

/** A scraper waits ten seconds by default: the series that can be read must reach it before. */
const READ_MS = 2_000;
/** The delay of the event loop is measured at this interval. */
const DELAY_INTERVAL_MS = 10;
/**
 * Intervals until the first delay is known; before, its mean is NaN. Each interval is awaited by itself: after a stall, one long timer would fire before the
 * second measurement.
 */
const FIRST_INTERVALS = 3;

interface MetricsDeps {
  readonly clock: Pick<Clock, 'after'>;
  readonly log: Log;
}

/**
 * Metrics in a registry of prom-client. Each metric is read by itself: one that fails, or that needs longer than two seconds, leaves out its own series and
 * is counted. So an unreachable database hides only what the database knows.
 */
export class RegisteredMetrics implements Metrics {
  readonly registry = new Registry();
  readonly #deps: MetricsDeps;
  readonly #reads: Read[] = [];
  #showsProcess = false;
  #firstDelays: Promise<void> | undefined;

  constructor(deps: MetricsDeps) {
    this.#deps = deps;
    this.add([
      {
        name: 'quaymaster_scrape_failures_total',
        help: 'Reads of a metric that failed or took longer than two seconds; its series are absent from that scrape',
        labels: ['collector'],
        values: () => this.#reads.map(({ name, failures }) => [{ collector: name }, failures]),
      },
    ]);
  }

  add(metrics: readonly Metric[]): void {
    for (const metric of metrics) {
      const read = new Read(metric, this.#deps);
      if (this.registry.getSingleMetric(metric.name) === undefined) this.#reads.push(read);
      this.registry.registerMetric(registered(metric, read));
    }
  }

  /**
   * Adds what the library measures of the process: processor time, memory, the event loop. The first scrape starts the measurement, because it wakes an idle
   * process 100 times a second.
   */
  addProcess(): void {
    this.#showsProcess = true;
  }

  get contentType(): string {
    return this.registry.contentType;
  }

  async text(): Promise<string> {
    if (this.#showsProcess) await (this.#firstDelays ??= this.#measureProcess());
    return this.registry.metrics();
  }

  /** Resolves when the delay of the event loop is known. */
  async #measureProcess(): Promise<void> {
    collectDefaultMetrics({
      register: this.registry,
      eventLoopMonitoringPrecision: DELAY_INTERVAL_MS,
    });
    for (let count = 0; count < FIRST_INTERVALS; count += 1) await sleep(DELAY_INTERVAL_MS);
  }
}

type Registered = Counter | Gauge | Histogram;

/** A metric of prom-client whose values come from `read`. */
function registered(metric: Metric, read: Read): Registered {
  const empty = emptyMetric(metric);
  const get = async (): Promise<object> => {
    const [described, values] = await Promise.all([empty.get(), read.rows()]);
    return { ...described, values };
  };
  // The registry prefers the second method, although the types of the library do not name it.
  const methods = { get: { value: get }, getForPromString: { value: get } };
  return Object.create(empty, methods) as Registered;
}

function emptyMetric(metric: Metric): Registered {
  const naming = { name: metric.name, help: metric.help, registers: [] };
  if ('durations' in metric) return new Histogram({ ...naming, buckets: [...DURATION_BOUNDS] });
  return metric.name.endsWith('_total') ? new Counter(naming) : new Gauge(naming);
}

/** Reads one metric. A second scrape joins a read in progress, so a database that hangs never has more than one query of each metric. */
class Read {
  readonly #metric: Metric;
  readonly #deps: MetricsDeps;
  #reading: Promise<readonly Row[]> | undefined;
  #isFailing = false;
  failures = 0;

  constructor(metric: Metric, deps: MetricsDeps) {
    this.#metric = metric;
    this.#deps = deps;
  }

  get name(): string {
    return this.#metric.name;
  }

  /** @returns no row if the metric cannot be read now */
  async rows(): Promise<readonly Row[]> {
    const { clock, log } = this.#deps;
    this.#reading ??= rowsOf(this.#metric).finally(() => (this.#reading = undefined));
    const reading = this.#reading;
    try {
      const rows = await withDeadline(clock, READ_MS, (signal) =>
        Promise.race([reading, rejectedBy(signal)]),
      );
      if (this.#isFailing) log.info({ collector: this.name }, 'a metric can be read again');
      this.#isFailing = false;
      return rows;
    } catch (error) {
      this.failures += 1;
      // A scrape comes every few seconds, from any client of the listener: only the first failure is logged.
      if (!this.#isFailing)
        log.error({ err: error, collector: this.name }, 'a metric cannot be read; it is left out');
      this.#isFailing = true;
      return [];
    }
  }
}

function rejectedBy(signal: AbortSignal): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  return promise;
}

async function rowsOf(metric: Metric): Promise<readonly Row[]> {
  if ('durations' in metric)
    return [...metric.durations()].flatMap(([labels, durations]) =>
      bucketsOf(metric.name, labels, durations),
    );
  if ('value' in metric) return [{ labels: {}, sharedLabels: NONE, value: await metric.value() }];
  const values = await metric.values();
  return Array.from(values, ([labels, value]) => ({ labels, sharedLabels: NONE, value }));
}

const NONE = {};

interface Row {
  readonly value: number;
  readonly labels: Readonly<Record<string, string | number>>;
  /** More labels. The library keeps the text of each such object, and a scrape has thousands of rows (measured: a third less time). */
  readonly sharedLabels: Labels;
  /** Absent: the name of the metric. */
  readonly metricName?: string;
}

function bucketsOf(
  name: string,
  labels: Labels,
  { buckets, seconds }: DurationTally,
): readonly Row[] {
  const shared = { labels: NONE, sharedLabels: labels };
  let count = 0;
  const rows = Array.from(buckets, (value, index): Row => {
    count += value;
    const le = DURATION_BOUNDS[index] ?? '+Inf';
    return { ...shared, value: count, labels: { le }, metricName: `${name}_bucket` };
  });
  return [
    ...rows,
    { ...shared, value: seconds, metricName: `${name}_sum` },
    { ...shared, value: count, metricName: `${name}_count` },
  ];
}
