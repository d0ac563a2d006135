import type { Clock } from '../../../ports/clock.ts';
import type { RotationConnection, RotationTarget } from '../../../ports/rotation-target.ts';
import { parseOptions } from '../../parse-options.ts';
import { unknownStrategy } from '../../rotator/options.ts';
import type { SecretRotation } from '../client/secret-rotation.ts';
import { ownRotationOptions } from './config.ts';
import { OwnRotation } from './own-rotation.ts';

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
