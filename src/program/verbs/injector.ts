import { createLog } from '../../process/log.ts';
import { systemClock } from '../../process/clock.ts';
import { loadConfig } from '../config/load.ts';
import { refuseOpenProcess } from '../config/process-options.ts';
import { onSignals } from '../serving/on-signals.ts';
import { serveInjector } from '../injector/serve-injector.ts';

/** Runs the admission webhook with the configuration file of the broker until a signal stops it. */
export async function runInjector(path: string): Promise<void> {
  const config = await loadConfig(path);
  refuseOpenProcess(config);
  const log = createLog({ level: config.log.level, clock: systemClock });
  const serving = await serveInjector(config, { clock: systemClock, log });
  onSignals(serving, log);
  log.info({ port: serving.port, cluster: config.injector?.broker.cluster }, 'listening');
}
