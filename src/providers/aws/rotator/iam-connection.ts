import type { Clock } from '../../../ports/clock.ts';
import type { RotationConnection, RotationTarget } from '../../../ports/rotation-target.ts';
import { parseOptions } from '../../parse-options.ts';
import { unknownStrategy } from '../../rotator/options.ts';
import type { AwsAccount } from '../client/aws-account.ts';
import { AccessKeys } from './access-keys.ts';
import { accessKeysOptions } from './config.ts';

/** IAM users of one account, as places where credentials are changed. */
export function connectIamRotation(
  name: string,
  account: AwsAccount,
  clock: Clock,
): RotationConnection {
  return {
    name,
    kind: 'aws-iam',
    target(strategy, options): RotationTarget {
      if (strategy !== 'access-keys') throw unknownStrategy(['access-keys']);
      return new AccessKeys(account, parseOptions(accessKeysOptions, options), clock);
    },
  };
}
