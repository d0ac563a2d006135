import { BrokerError } from '../../domain/errors.ts';
import { listenerMetrics } from '../metrics/serving-metrics.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Log } from '../../ports/log.ts';
import type { Metric } from '../../ports/metrics.ts';
import { openInjector } from './injector.ts';
import type { Config } from '../config/schema.ts';
import { Instruments } from '../serving/instruments.ts';

/** A listening injector. */
export interface ServingInjector {
  readonly port: number;
  /** Answers until API servers have left, then stops. */
  stop(): Promise<void>;
}

type InjectorServingConfig = Pick<Config, 'connections' | 'injector' | 'kubernetes' | 'metrics'>;

/**
 * Serves the admission webhook, and nothing else of a broker: no store, no keys. Metrics and probes have the listener of `metrics`.
 * @throws ERR_CONFIG_INVALID for unusable files, or if it cannot listen on an address
 */
export async function serveInjector(
  config: InjectorServingConfig,
  deps: { readonly clock: Clock; readonly log: Log },
): Promise<ServingInjector> {
  const { injector, connections, kubernetes } = config;
  if (injector === undefined)
    throw new BrokerError('ERR_CONFIG_INVALID', 'the configuration has no section "injector"');
  const { cluster } = injector.broker;
  const shown: Parameters<typeof Instruments.open>[1]['shown'] = (readiness) =>
    injectorMetrics(cluster, () => readiness().ready);
  const instruments = await Instruments.open(config, { ...deps, shown });
  try {
    const { metrics } = instruments;
    const objects = kubernetes.documents.find((each) => each.cluster === cluster);
    const running = await openInjector(injector, connections, { ...deps, metrics, objects });
    metrics.add(listenerMetrics(new Map([['injector', running.connections]])));
    instruments.show(() => {
      const reasons = [...running.unready()];
      return { ready: reasons.length === 0, reasons, warnings: [...running.warnings()] };
    });
    return {
      port: running.port,
      stop: async () => {
        await running.drain();
        await running.close();
        await instruments.close();
      },
    };
  } catch (error) {
    await instruments.close();
    throw error;
  }
}

/** The metric of an injector that takes reviews. Its name is not `quaymaster_ready`, because injectors must not hide that no broker is there. */
export function injectorMetrics(cluster: string, isReady: () => boolean): readonly Metric[] {
  return [
    {
      name: 'quaymaster_injector_ready',
      help: '1 while the injector takes reviews of the pods of a cluster',
      labels: ['cluster'],
      values: () => [[{ cluster }, isReady() ? 1 : 0]],
    },
  ];
}
