import { systemClock } from '../../process/clock.ts';
import type { Log } from '../../ports/log.ts';
import type { Serving } from './serve.ts';

/** Time after which the reader of standard output is considered hung: unread output keeps the process alive until then. */
const OUTPUT_MS = 5_000;

/**
 * SIGHUP reloads the configuration and the certificate, and reopens the audit sinks. SIGTERM and SIGINT drain and stop. A second one exits at once, which loses
 * nothing that was answered. @returns whether one of them came
 */
export function onSignals(
  serving: Pick<Serving, 'stop'> & Partial<Pick<Serving, 'reload'>>,
  log: Log,
): () => boolean {
  let stopping = false;
  const stop = (signal: string): void => {
    if (stopping) {
      log.warn({ signal }, 'second signal: ending without draining');
      process.kill(process.pid, 'SIGKILL');
    }
    stopping = true;
    log.info({ signal }, 'draining');
    void serving
      .stop(signal)
      .then(
        () => log.info({}, 'stopped'),
        (error: unknown) => {
          log.error({ err: error }, 'stopped with an error');
          process.exitCode = 1;
        },
      )
      .then(() => systemClock.after(OUTPUT_MS, () => process.exit()));
  };
  process.on('SIGHUP', () => void serving.reload?.());
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  return () => stopping;
}
