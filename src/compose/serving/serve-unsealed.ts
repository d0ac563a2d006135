import { SealedServer } from '../../api/server/sealed-server.ts';
import { randomId } from '../../crypto/random/random.ts';
import { BrokerError } from '../../domain/errors.ts';
import type { Config } from '../config/schema.ts';
import { serve, type ServeDeps, type Serving } from './serve.ts';

const FIRST_RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 30_000;

/**
 * Serves as `serve` does, sealed at first if no key-encryption key can be reached: the broker then answers probes, and retries
 * until it can open its keys. A wrong configuration, or a key that does not open the store, ends the start: a retry would not
 * help.
 */
export async function serveUnsealed(config: Config, deps: ServeDeps): Promise<Serving> {
  let sealed: SealedServer | undefined;
  for (let pause = FIRST_RETRY_MS; ; pause = Math.min(pause * 2, LONGEST_RETRY_MS)) {
    try {
      const serving = await serve(config, {
        ...deps,
        beforeListening: async () => {
          await sealed?.close();
          sealed = undefined;
        },
      });
      return serving;
    } catch (error) {
      if (!(error instanceof BrokerError) || error.code !== 'ERR_SEALED') {
        await sealed?.close();
        throw error;
      }
      deps.log.error(
        { err: error, retryInMs: pause },
        'sealed: no key-encryption key can be reached; only probes are answered; retrying',
      );
      sealed ??= await SealedServer.listen(config.listener, () => randomId('req'));
      await deps.clock.sleep(pause);
    }
  }
}
