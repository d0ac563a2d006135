import { randomFraction } from '../../crypto/random/random.ts';
import type { Backend } from '../../ports/backend.ts';
import type { Clock } from '../../ports/clock.ts';
import type { RotationTarget } from '../../ports/rotation-target.ts';
import type { GuardParts } from '../guard/guard.ts';
import { parseOptions } from '../parse-options.ts';
import { unknownStrategy } from '../rotator/options.ts';
import { checkServer } from './check/server.ts';
import { VaultCalls } from './client/calls.ts';
import { connectVault, type VaultClient } from './client/client.ts';
import {
  awsStaticRoleOptions,
  staticRoleOptions,
  vaultMountOptions,
  type VaultConnectionConfig,
} from './config.ts';
import { PreparedTokens } from './credentials/credentials.ts';
import { AwsStaticRole } from './rotator/aws-static-role.ts';
import { StaticRole } from './rotator/static-role.ts';
import { mountVault } from './secrets/provider.ts';

type OpenedVault = Required<Pick<Backend, 'provider' | 'rotation' | 'calls' | 'close'>>;

/**
 * One Vault or OpenBao: secrets of KV engines, dynamic credentials, and static roles to rotate. Sends nothing yet.
 * @throws ERR_CONFIG_INVALID if the CA file cannot be read.
 */
export async function openVault(
  name: string,
  config: VaultConnectionConfig,
  deps: GuardParts,
): Promise<OpenedVault> {
  const client = await connectVault(config, { ...deps, random: randomFraction });
  return vaultAt(name, client, deps.clock);
}

/** The backend of a client that is already connected. */
export function vaultAt(name: string, client: VaultClient, clock: Clock): OpenedVault {
  const calls = new VaultCalls(client, name);
  const tokens = new PreparedTokens(clock);
  return {
    provider: {
      name,
      kind: 'vault',
      mount: (options) => mountVault(calls, tokens, parseOptions(vaultMountOptions, options)),
      check: (context) => checkServer(client, context),
    },
    rotation: {
      name,
      kind: 'vault',
      target(strategy, options): RotationTarget {
        if (strategy === 'static-role') {
          return new StaticRole(client, parseOptions(staticRoleOptions, options));
        }
        if (strategy === 'aws-static-role') {
          return new AwsStaticRole(client, parseOptions(awsStaticRoleOptions, options), clock);
        }
        throw unknownStrategy(['static-role', 'aws-static-role']);
      },
    },
    calls: () => client.state(),
    async close() {
      tokens.clear();
      await client.close();
    },
  };
}
