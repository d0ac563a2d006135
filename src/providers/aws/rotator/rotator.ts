import type { Clock } from '../../../ports/clock.ts';
import type { RotationConnection, RotationTarget } from '../../../ports/rotation-target.ts';
import { type SecretRotation, OwnRotation } from './own-rotation.ts';
import { parseOptions } from '../../parse-options.ts';
import { unknownStrategy } from '../../rotator/options.ts';
import { ownRotationOptions, accessKeysOptions } from '../config.ts';
import type { AwsAccount } from '../client/account.ts';
import { AccessKeys } from './access-keys.ts';

/** Secrets of one account and region that AWS rotates itself. */
export function connectOwnRotation(
  name: string,
  rotationOf: (secret: string) => SecretRotation,
  clock: Clock,
): RotationConnection {
  return {
    name,
    kind: 'aws-secrets-manager',
    target(strategy, options): RotationTarget {
      if (strategy !== 'own-rotation') throw unknownStrategy(['own-rotation']);
      const { name: secret } = parseOptions(ownRotationOptions, options);
      return new OwnRotation(rotationOf(secret), secret, clock);
    },
  };
}

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
