import type { Log } from '../ports/log.ts';
import type { Serving } from './serve.ts';

/** SIGTERM and SIGINT drain and stop; a second one ends the process at once, which loses nothing that was answered. */
export function stopOnSignals(serving: Serving, log: Log): void {
  let stopping = false;
  const stop = (signal: string): void => {
    if (stopping) {
      log.warn({ signal }, 'second signal: ending without draining');
      process.kill(process.pid, 'SIGKILL');
    }
    stopping = true;
    log.info({ signal }, 'draining');
    serving.stop(signal).then(
      () => log.info({}, 'stopped'),
      (error: unknown) => {
        log.error({ err: error }, 'stopped with an error');
        process.exitCode = 1;
      },
    );
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
}
