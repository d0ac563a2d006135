import { MetricsServer, type Instrumented } from '../../api/server/metrics-server.ts';
import { readinessMetrics, type TurnedAway } from '../../metrics/serving-metrics.ts';
import { RegisteredMetrics } from '../../metrics/registered-metrics.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Log } from '../../ports/log.ts';
import type { Config } from '../config/schema.ts';

type Readiness = ReturnType<Instrumented['readiness']>;

/** Metrics and readiness from the start of the process until its end. They answer while keys or store are away, and while the start waits for them. */
export class Instruments {
  readonly metrics: RegisteredMetrics;
  #readiness: () => Readiness = () => ({ ready: false, reasons: ['starting'] });
  #server: MetricsServer | undefined;

  private constructor(deps: { readonly clock: Clock; readonly log: Log }) {
    this.metrics = new RegisteredMetrics(deps);
    this.metrics.addProcess();
    this.metrics.add(readinessMetrics(this.readiness));
  }

  /** Listens if metrics have their own listener. @throws ERR_CONFIG_INVALID */
  static async open(
    { metrics: { listener } }: Pick<Config, 'metrics'>,
    deps: { readonly clock: Clock; readonly log: Log },
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
