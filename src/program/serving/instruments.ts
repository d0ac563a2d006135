import { MetricsServer, type Instrumented } from '../../api/server/metrics-server.ts';
import { readinessMetrics, type TurnedAway } from '../metrics/serving-metrics.ts';
import type { Metric } from '../../ports/metrics.ts';
import { RegisteredMetrics } from '../metrics/registered-metrics.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Log } from '../../ports/log.ts';
import type { Config } from '../config/schema.ts';

type Readiness = ReturnType<Instrumented['readiness']>;

interface InstrumentsDeps {
  readonly clock: Clock;
  readonly log: Log;
  /** The metrics of readiness; absent: those of a broker. */
  readonly shown?: (readiness: () => Readiness) => readonly Metric[];
}

/** Metrics and readiness from the start of the process until its end. They answer while keys or store are away, and while the start waits for them. */
export class Instruments {
  readonly metrics: RegisteredMetrics;
  #readiness: () => Readiness = () => ({ ready: false, reasons: ['starting'] });
  #server: MetricsServer | undefined;

  private constructor({ shown = readinessMetrics, ...deps }: InstrumentsDeps) {
    this.metrics = new RegisteredMetrics(deps);
    this.metrics.addProcess();
    this.metrics.add(shown(this.readiness));
  }

  /** Listens if metrics have their own listener. @throws ERR_CONFIG_INVALID */
  static async open(
    { metrics: { listener } }: Pick<Config, 'metrics'>,
    deps: InstrumentsDeps,
  ): Promise<Instruments> {
    const instruments = new Instruments(deps);
    if (listener === undefined) return instruments;
    instruments.#server = new MetricsServer(instruments);
    await instruments.#server.listen(listener);
    return instruments;
  }

  readonly readiness = (): Readiness => this.#readiness();

  /** Connections of the listener; undefined without it. */
  get connections(): TurnedAway | undefined {
    return this.#server?.connections;
  }

  show(readiness: () => Readiness): void {
    this.#readiness = readiness;
  }

  async close(): Promise<void> {
    await this.#server?.close();
  }
}
