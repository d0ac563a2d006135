import type { Clock } from '../../../ports/clock.ts';
import type { RotationConnection, RotationTarget } from '../../../ports/rotation-target.ts';
import type { VaultClient } from '../client/client.ts';
import { parseOptions } from '../../parse-options.ts';
import { unknownStrategy } from '../../rotator/options.ts';
import { AwsStaticRole } from './aws-static-role.ts';
import { awsStaticRoleOptions, staticRoleOptions } from '../config.ts';
import { StaticRole } from './static-role.ts';

/** Static roles of one Vault or OpenBao. */
export function connectVaultRotation(
  name: string,
  client: VaultClient,
  clock: Clock,
): RotationConnection {
  return {
    name,
    kind: 'vault',
    target(strategy, options): RotationTarget {
      if (strategy === 'static-role') {
        return new StaticRole(client, parseOptions(staticRoleOptions, options));
      }
      if (strategy !== 'aws-static-role') throw unknownStrategy(['static-role', 'aws-static-role']);
      return new AwsStaticRole(client, parseOptions(awsStaticRoleOptions, options), clock);
    },
  };
}
