import type { RotationConnection, RotationTarget } from '../../ports/rotation-target.ts';
import type { VaultClient } from '../../upstream/vault/vault-client.ts';
import { parseOptions } from '../../upstream/parse-options.ts';
import { unknownStrategy } from '../unknown-strategy.ts';
import { staticRoleOptions } from './config.ts';
import { StaticRole } from './static-role.ts';

/** Static roles of one Vault or OpenBao. */
export function connectVaultRotation(name: string, client: VaultClient): RotationConnection {
  return {
    name,
    kind: 'vault',
    target(strategy, options): RotationTarget {
      if (strategy !== 'static-role') throw unknownStrategy(['static-role']);
      return new StaticRole(client, parseOptions(staticRoleOptions, options));
    },
  };
}
