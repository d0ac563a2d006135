import { systemClock } from '../../process/clock.ts';
import { Provider } from '../../delivery/csi/provider.ts';
import { loadSettings } from '../../delivery/csi/settings.ts';
import { createLog } from '../../process/log.ts';
import { VERSION } from '../../process/version.ts';

/** Runs the provider with a configuration file until a signal stops it. */
export async function runCsiProvider(path: string): Promise<void> {
  const settings = await loadSettings(path);
  const log = createLog({ level: settings.log.level, clock: systemClock });
  const provider = await Provider.listen(settings, { clock: systemClock, log, release: VERSION });
  log.info({ socket: settings.socket, cluster: settings.cluster }, 'listening');
  const stop = (): void => {
    void provider.close().then(() => log.info({}, 'stopped'));
  };
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
}
