import { systemClock } from '../../clock.ts';
import { loadConfig } from '../../config/load.ts';
import { createLog } from '../../log.ts';
import { serve } from '../serve.ts';
import { onSignals } from '../on-signals.ts';

/** Runs the broker of a configuration file until a signal ends it. */
export async function runServe(path: string): Promise<void> {
  const config = await loadConfig(path);
  const log = createLog({ level: config.log.level, clock: systemClock });
  const serving = await serve(config, { clock: systemClock, log });
  onSignals(serving, log);
  log.info({ url: serving.url, mode: config.mode }, 'listening');
}
