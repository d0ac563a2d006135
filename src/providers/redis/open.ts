import type { CallState } from '../../ports/backend.ts';
import type { RotationConnection } from '../../ports/rotation-target.ts';
import type { GuardParts } from '../guard/guard.ts';
import { parseOptions } from '../parse-options.ts';
import { attachTarget } from '../rotator/options.ts';
import { RedisServer } from './client.ts';
import { aclUserOptions, type RedisConnectionConfig } from './config.ts';
import { AclUser } from './rotator.ts';

/** One Redis server: rotates the passwords of its users. Opens no connection yet. */
export function openRedis(
  name: string,
  config: RedisConnectionConfig,
  deps: GuardParts,
): OpenedRedis {
  const server = new RedisServer(config, deps);
  const strategies = {
    'acl-user': (options: unknown) => new AclUser(server, parseOptions(aclUserOptions, options)),
  };
  return {
    rotation: {
      name,
      kind: 'redis',
      target: (strategy, options) => attachTarget(strategies, strategy, options),
    },
    calls: () => server.guard.state(),
    close: () => undefined,
  };
}

interface OpenedRedis {
  readonly rotation: RotationConnection;
  calls(): CallState;
  close(): void;
}
