import { systemClock } from '../../process/clock.ts';
import { loadConfig } from '../config/load.ts';
import { coreFiles, refuseOpenProcess } from '../config/process-options.ts';
import { ConfigReload } from '../broker/config-reload.ts';
import { reloadable } from '../../ports/configuration.ts';
import { createLog } from '../../process/log.ts';
import { MountedFile } from '../../process/mounted-file.ts';
import { serveUnsealed } from '../serving/serve-unsealed.ts';
import { onSignals } from '../serving/on-signals.ts';

const CORE_DUMPS =
  'a crash may write the memory of the broker, with its keys, to a core file; set the core limit to 1 (prlimit --core=1, LimitCORE=1), which also holds if core_pattern is a pipe';

const ELSEWHERE =
  'this process serves no admission webhook: "quaymaster injector" does, with the same configuration';

/** Runs the broker with a configuration file until a signal stops it. */
export async function runServe({
  config: path,
  trustClock = false,
}: {
  readonly config: string;
  readonly trustClock?: boolean;
}): Promise<void> {
  const mount = await MountedFile.at(path);
  const config = await loadConfig(path);
  refuseOpenProcess(config);
  const log = createLog({ level: config.log.level, clock: systemClock });
  if (config.injector !== undefined) log.info({}, ELSEWHERE);
  if (config.mode === 'production' && coreFiles()?.haveMemory === true) log.warn({}, CORE_DUMPS);
  const reload = new ConfigReload(config, {
    load: () => loadConfig(path),
    mount,
    clock: systemClock,
    log,
    parts: [reloadable((next) => (log.level = next.log.level))],
  });
  // The default action would end a broker that starts, or that waits for its key-encryption key.
  process.on('SIGHUP', () => undefined);
  const serving = await serveUnsealed(config, { clock: systemClock, log, trustClock, reload });
  onSignals(serving, log);
  log.info({ url: serving.url, mode: config.mode }, 'listening');
}
