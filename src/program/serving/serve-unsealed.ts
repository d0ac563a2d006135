import { WaitingServer } from '../../api/server/waiting-server.ts';
import { randomId } from '../../crypto/random/random.ts';
import { BrokerError, type ErrorCode } from '../../domain/errors.ts';
import type { Config } from '../config/schema.ts';
import { Instruments } from './instruments.ts';
import { serve, type ServeDeps, type Serving } from './serve.ts';

const FIRST_RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 30_000;

/** Failures of a start that a retry may overcome. */
const PASSING: Readonly<Partial<Record<ErrorCode, string>>> = {
  ERR_SEALED: 'sealed: no key-encryption key can be reached',
  ERR_STORE_UNAVAILABLE: 'the store cannot be opened',
  ERR_AUDIT_UNAVAILABLE: 'the audit log or its last checkpoint cannot be opened',
};

/**
 * Serves as `serve` does. If no key-encryption key or no store can be reached, the broker at first answers probes and metrics only, and retries until it
 * can start. A wrong configuration, or a key that does not open the store, ends the start: a retry would not help.
 */
export async function serveUnsealed(config: Config, deps: ServeDeps): Promise<Serving> {
  const instruments = await Instruments.open(config, deps);
  let reason: ErrorCode | undefined;
  let waiting: WaitingServer | undefined;
  const beforeListening = async (): Promise<void> => {
    await waiting?.close();
    waiting = undefined;
  };
  const attempt = (): Promise<Serving | BrokerError> =>
    serve(config, { ...deps, instruments, beforeListening }).catch((error: unknown) => {
      const failure = BrokerError.from(error);
      if (PASSING[failure.code] === undefined) throw error;
      return failure;
    });
  try {
    for (let pause = FIRST_RETRY_MS; ; pause = Math.min(pause * 2, LONGEST_RETRY_MS)) {
      const result = await attempt();
      if (!(result instanceof BrokerError)) return result;
      const { code } = result;
      reason = code;
      const text = `${PASSING[code]}; only probes are answered; retrying`;
      deps.log.error({ err: result, retryInMs: pause }, text);
      instruments.show(() => ({ ready: false, reasons: [code] }));
      waiting ??= await WaitingServer.listen(config.listener, {
        requestId: () => randomId('req'),
        reason: () => reason ?? code,
      });
      await deps.clock.sleep(pause);
    }
  } catch (error) {
    await waiting?.close();
    await instruments.close();
    throw error;
  }
}
