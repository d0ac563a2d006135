import type { Clock } from '../../ports/clock.ts';
import type { RotationConnection } from '../../ports/rotation-target.ts';
import { parseOptions } from '../parse-options.ts';
import { unknownStrategy } from '../rotator/options.ts';
import { connectRedis } from './client.ts';
import { aclUserOptions, type RedisConnectionConfig } from './config.ts';
import { AclUser } from './rotator.ts';

/** One Redis server: rotates the passwords of its users. Opens no connection yet. */
export async function openRedis(
  name: string,
  config: RedisConnectionConfig,
  { clock }: { readonly clock: Clock },
): Promise<OpenedRedis> {
  const server = await connectRedis(config, clock);
  return {
    rotation: {
      name,
      kind: 'redis',
      target(strategy, options) {
        if (strategy !== 'acl-user') throw unknownStrategy(['acl-user']);
        return new AclUser(server, parseOptions(aclUserOptions, options));
      },
    },
    close: () => undefined,
  };
}

interface OpenedRedis {
  readonly rotation: RotationConnection;
  close(): void;
}
