import type { ShadowAnswer, ShadowServer } from '../../ports/shadow-server.ts';
import { readBody } from '../../net/https/read-body.ts';
import { createGuard, type GuardParts } from '../guard/guard.ts';
import { loadTrust } from './client/client.ts';
import { encodeVaultPath } from './client/encode-path.ts';
import { Exchange, collectFailure } from './client/transport.ts';
import type { VaultConnectionConfig } from './config.ts';
import { providerError, toBrokerError } from './errors.ts';

const MOST_BYTES = 1_048_576;
/** Calls in flight, and as many that wait. They have their own slots, so that callers of the old server never take those of mounts. */
const MOST_CALLS = 16;
const ANSWERS: readonly (number | undefined)[] = [
  200, 204, 400, 403, 404, 405,
] satisfies ShadowAnswer['status'][];

/**
 * Reads from the server of a connection with the token of a caller, never with that of the connection. The answer is passed on as bytes.
 * @throws ERR_CONFIG_INVALID if the CA file cannot be read.
 */
export async function openShadow(
  name: string,
  config: VaultConnectionConfig,
  parts: GuardParts,
): Promise<ShadowServer> {
  const exchange = new Exchange(new URL(config.address), await loadTrust(config), MOST_CALLS);
  const limits = { ...config.limits, maxConcurrent: MOST_CALLS, maxQueue: MOST_CALLS };
  const guard = createGuard(limits, parts);
  const { namespace } = config;
  const send = async (
    { path, query, token }: Parameters<ShadowServer['read']>[0],
    signal: AbortSignal,
  ): Promise<ShadowAnswer> => {
    const response = await exchange.open({
      method: 'GET',
      target: `/v1/${encodeVaultPath(path)}${query}`,
      headers: {
        'X-Vault-Request': 'true',
        'X-Vault-Token': token.reveal(),
        ...(namespace !== undefined && { 'X-Vault-Namespace': namespace }),
      },
      signal,
    });
    const { statusCode: status } = response;
    if (!ANSWERS.includes(status)) throw await collectFailure(response);
    const json = await readBody(response, MOST_BYTES);
    return { status: status as ShadowAnswer['status'], json };
  };
  return {
    // Such a read can create a dynamic credential, so it is not repeated.
    read: (order, context) =>
      guard
        .effect(context, (signal) =>
          send(order, signal).catch((error: unknown) => {
            throw toBrokerError(error);
          }),
        )
        .catch((error: unknown) => {
          throw providerError(name, error);
        }),
  };
}
