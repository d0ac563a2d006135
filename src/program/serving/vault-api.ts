import type { Config } from '../config/schema.ts';
import { schemesOf } from '../../api/config.ts';
import { MalformedRequests } from '../../api/request/malformed-requests.ts';
import type { Surroundings } from '../../api/request/request-deps.ts';
import { SourceAddress } from '../../api/request/source-address.ts';
import { createServer, type ApiServer } from '../../api/server/server.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Log } from '../../ports/log.ts';
import type { ShadowServer } from '../../ports/shadow-server.ts';
import { createVaultApp, VAULT_FACE } from '../../api/vault/app.ts';
import type { VaultApiConfig } from '../../api/vault/config.ts';
import { ListConnections } from '../../api/vault/list-method.ts';

export interface VaultApiDeps {
  readonly clock: Clock;
  readonly log: Log;
  /** The limits, counts and parts of the API: a caller has one share of them, whichever listener it uses. */
  readonly surroundings: Surroundings;
  /** Random name of this start. */
  readonly boot: string;
  readonly unready: () => readonly string[];
  readonly connections: Config['connections'];
}

/**
 * Opens the listener for clients of the Vault HTTP API; it does not listen yet.
 * @throws ERR_CONFIG_INVALID for unusable certificate files
 */
export async function openVaultApi(
  config: VaultApiConfig,
  { clock, log, surroundings: shared, boot, unready, connections }: VaultApiDeps,
): Promise<ApiServer> {
  const sources = new SourceAddress(config.listener.trustedProxies);
  const own = { face: VAULT_FACE, sources, schemes: schemesOf(config.listener) };
  // The members of the API's surroundings, of which some are read again for each request.
  const surroundings = Object.assign(Object.create(shared) as Surroundings, own);
  const lists = new ListConnections();
  const { drain, parts } = shared;
  const app = createVaultApp({
    surroundings,
    config,
    lists,
    shadow: await shadowOf(config, connections, clock),
    unready: () => (drain.active ? ['draining'] : unready()),
  });
  const malformed = lists.orRefuse(new MalformedRequests(parts, `${boot}v`, VAULT_FACE));
  return createServer(app, config.listener, { clock, log, drain, malformed, sources });
}

/** The server of the old clients, if the configuration names one. */
async function shadowOf(
  { shadow }: VaultApiConfig,
  connections: Config['connections'],
  clock: Clock,
): Promise<ShadowServer | undefined> {
  const connection = shadow === undefined ? undefined : connections[shadow];
  if (shadow === undefined || connection?.type !== 'vault') return undefined;
  const { openShadow } = await import('../../providers/vault/shadow.ts');
  return openShadow(shadow, connection, { clock, connection: shadow });
}
