import { BrokerError } from '../../../domain/errors.ts';
import type { RotationConnection, RotationTarget } from '../../../ports/rotation-target.ts';
import type { MysqlServer } from '../client/server.ts';
import { parseOptions } from '../../parse-options.ts';
import { unknownStrategy } from '../../rotator/unknown-strategy.ts';
import { AlternatingUsers } from './alternating-users.ts';
import { alternatingUsersOptions, singleUserOptions } from './config.ts';
import { SingleUser } from './single-user.ts';

type Attach = (server: MysqlServer, options: unknown) => RotationTarget;

const STRATEGIES: Readonly<Record<string, Attach>> = {
  'single-user': (server, given) => {
    const options = parseOptions(singleUserOptions, given);
    refuseOwnUser(server, [options.username], '/username');
    return new SingleUser(server, options);
  },
  'alternating-users': (server, given) => {
    const options = parseOptions(alternatingUsersOptions, given);
    refuseOwnUser(server, options.usernames, '/usernames');
    return new AlternatingUsers(server, options);
  },
};

/** Users of one MySQL or MariaDB server whose passwords the connection's account may change. */
export function connectMysqlRotation(name: string, server: MysqlServer): RotationConnection {
  return {
    name,
    kind: 'mysql',
    target(strategy, options) {
      const attach = Object.hasOwn(STRATEGIES, strategy) ? STRATEGIES[strategy] : undefined;
      if (attach === undefined) throw unknownStrategy(Object.keys(STRATEGIES));
      return attach(server, options);
    },
  };
}

/** Its password is in a file that is not ours to write. */
function refuseOwnUser(server: MysqlServer, names: readonly string[], pointer: string): void {
  if (!names.includes(server.username)) return;
  const problems = [{ pointer, message: 'is the user of the connection itself' }];
  throw new BrokerError('ERR_BODY_INVALID', undefined, { problems });
}
