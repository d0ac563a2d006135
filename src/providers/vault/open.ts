import { randomFraction } from '../../crypto/random.ts';
import type { CallContext } from '../../ports/call-context.ts';
import type { Clock } from '../../ports/clock.ts';
import type {
  CheckReport,
  ProviderConnection,
  SecretProvider,
} from '../../ports/secret-provider.ts';
import { type VaultConnectionConfig, vaultMountOptions } from './config.ts';
import { connectVault, type VaultClient } from './client/client.ts';
import { parseOptions } from '../parse-options.ts';
import { checkServer } from './check/server.ts';
import { HeldTokens } from './credentials/credentials.ts';
import { mountVault } from './secrets/provider.ts';
import { VaultCalls } from './client/calls.ts';

/**
 * Opens a connection of the configuration file; nothing is sent yet.
 * @throws ERR_CONFIG_INVALID when the CA file cannot be read.
 */
export async function connectVaultProvider(
  name: string,
  config: VaultConnectionConfig,
  clock: Clock,
): Promise<VaultConnection> {
  return new VaultConnection(
    name,
    await connectVault(config, { clock, random: randomFraction }),
    clock,
  );
}

/** One Vault or OpenBao that secrets and credentials come from. */
export class VaultConnection implements ProviderConnection {
  readonly name: string;
  readonly kind = 'vault';
  /** For metrics, and for the key-encryption key when it is at the same server. */
  readonly client: VaultClient;
  readonly #calls: VaultCalls;
  readonly #tokens: HeldTokens;

  constructor(name: string, client: VaultClient, clock: Clock) {
    this.name = name;
    this.client = client;
    this.#calls = new VaultCalls(client, name);
    this.#tokens = new HeldTokens(clock);
  }

  mount(options: unknown): SecretProvider {
    return mountVault(this.#calls, this.#tokens, parseOptions(vaultMountOptions, options));
  }

  check(context: CallContext): Promise<CheckReport> {
    return checkServer(this.client, context);
  }

  async close(): Promise<void> {
    this.#tokens.clear();
    await this.client.close();
  }
}
