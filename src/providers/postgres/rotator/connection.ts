import { BrokerError } from '../../../domain/errors.ts';
import type { RotationConnection, RotationTarget } from '../../../ports/rotation-target.ts';
import type { PostgresServer } from '../client/server.ts';
import { parseOptions } from '../../parse-options.ts';
import { unknownStrategy } from '../../rotator/unknown-strategy.ts';
import { AlternatingUsers } from './alternating-users.ts';
import { alternatingUsersOptions, singleUserOptions } from './config.ts';
import { SingleUser } from './single-user.ts';

type Attach = (server: PostgresServer, options: unknown) => RotationTarget;

const STRATEGIES: Readonly<Record<string, Attach>> = {
  'single-user'(server, given) {
    const options = parseOptions(singleUserOptions, given);
    refuseOwnUser(server, options.username, '/username');
    return new SingleUser(server, options);
  },
  'alternating-users'(server, given) {
    const options = parseOptions(alternatingUsersOptions, given);
    for (const [index, name] of options.usernames.entries()) {
      refuseOwnUser(server, name, `/usernames/${index}`);
    }
    return new AlternatingUsers(server, options);
  },
};

/** Users of one PostgreSQL server whose passwords the connection's role may change. */
export function connectPostgresRotation(name: string, server: PostgresServer): RotationConnection {
  return {
    name,
    kind: 'postgres',
    target(strategy, options) {
      const attach = Object.hasOwn(STRATEGIES, strategy) ? STRATEGIES[strategy] : undefined;
      if (attach === undefined) throw unknownStrategy(Object.keys(STRATEGIES));
      return attach(server, options);
    },
  };
}

/** After that nobody could undo anything. */
function refuseOwnUser(server: PostgresServer, username: string, pointer: string): void {
  if (username !== server.username) return;
  throw new BrokerError('ERR_BODY_INVALID', undefined, {
    problems: [{ pointer, message: 'is the user of the connection itself' }],
  });
}
