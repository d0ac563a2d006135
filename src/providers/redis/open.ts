import type { RotationConnection, RotationTarget } from '../../ports/rotation-target.ts';
import type { RedisServer } from './client.ts';
import { parseOptions } from '../parse-options.ts';
import { unknownStrategy } from '../rotator/unknown-strategy.ts';
import { AclUser } from './rotator.ts';
import { aclUserOptions } from './acl-user-options.ts';

/** A Redis server as a place where credentials are changed. */
export function connectRedisRotation(name: string, server: RedisServer): RotationConnection {
  return {
    name,
    kind: 'redis',
    target(strategy, options): RotationTarget {
      if (strategy !== 'acl-user') throw unknownStrategy(['acl-user']);
      return new AclUser(server, parseOptions(aclUserOptions, options));
    },
  };
}
