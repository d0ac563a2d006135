import { BrokerError } from '../../domain/errors.ts';
import type { CallState } from '../../ports/backend.ts';
import type { RotationConnection } from '../../ports/rotation-target.ts';
import type { ProviderConnection, SecretProvider } from '../../ports/secret-provider.ts';
import { AlternatingUsers } from '../sql/alternating-users.ts';
import type { GuardParts } from '../guard/guard.ts';
import { parseOptions } from '../parse-options.ts';
import { attachTarget, refuseOwnUser } from '../rotator/options.ts';
import { checkServer } from './check.ts';
import { connectMysql, type MysqlServer } from './client/server.ts';
import {
  alternatingUsersOptions,
  type MysqlConnectionConfig,
  mysqlMountOptions,
  type MysqlMountOptions,
  roleRef,
  singleUserOptions,
} from './config.ts';
import { UserCredentials } from './credentials/user-credentials.ts';
import { MysqlAccounts } from './rotator/accounts.ts';
import { SingleUser } from './rotator/single-user.ts';

const CREDENTIALS = 'credentials/';

/** One MySQL or MariaDB server: issues users and rotates passwords. Opens no connection yet. */
export async function openMysql(
  name: string,
  config: MysqlConnectionConfig,
  deps: GuardParts,
): Promise<OpenedMysql> {
  return mysqlAt(name, await connectMysql(config, deps));
}

/** The backend of a server that is already connected. */
export function mysqlAt(name: string, server: MysqlServer): OpenedMysql {
  const strategies = strategiesOf(server);
  return {
    provider: {
      name,
      kind: 'mysql',
      mount: (options) => mountMysql(server, parseOptions(mysqlMountOptions, options)),
      check: (context) => checkServer(server, context),
    },
    rotation: {
      name,
      kind: 'mysql',
      target: (strategy, options) => attachTarget(strategies, strategy, options),
    },
    calls: () => server.guard.state(),
    close: () => undefined,
  };
}

interface OpenedMysql {
  readonly provider: ProviderConnection;
  readonly rotation: RotationConnection;
  calls(): CallState;
  close(): void;
}

/** Dynamic users only, no secrets to read: `<mount>/<role>` names the kind of user. */
function mountMysql(server: MysqlServer, options: MysqlMountOptions): SecretProvider {
  const sets = options.roles;
  return {
    covers: CREDENTIALS,
    credentials: new UserCredentials(server, options),
    locate(rest, ref) {
      const name = ref === undefined ? rest : parseOptions(roleRef, ref).role;
      if (Object.hasOwn(sets, name)) return `${CREDENTIALS}${name}`;
      if (ref === undefined) {
        throw new BrokerError(
          'ERR_PATH_INVALID',
          'a path below this mount must name one of its roles',
        );
      }
      throw new BrokerError('ERR_BODY_INVALID', undefined, {
        problems: [{ pointer: '/role', message: 'is not a role of the mount' }],
      });
    },
    restOf: (ref) => parseOptions(roleRef, ref).role,
    read: () => Promise.reject(new BrokerError('ERR_NOT_FOUND')),
    list(prefix, page) {
      const all = prefix === '' ? Object.keys(sets).sort() : [];
      const rest = all.filter((name) => name > (page.after ?? ''));
      const items = rest.slice(0, page.limit).map((name) => ({ name }));
      const next = rest.length > items.length ? items.at(-1)?.name : undefined;
      return Promise.resolve({ items, next });
    },
    check: (context) => checkServer(server, context),
  };
}

type Strategies = Parameters<typeof attachTarget>[0];

const strategiesOf = (server: MysqlServer): Strategies => ({
  'single-user'(given) {
    const options = parseOptions(singleUserOptions, given);
    refuseOwnUser(server.username, options.username, '/username');
    return new SingleUser(new MysqlAccounts(server, options), options);
  },
  'alternating-users'(given) {
    const options = parseOptions(alternatingUsersOptions, given);
    for (const [index, name] of options.usernames.entries()) {
      refuseOwnUser(server.username, name, `/usernames/${index}`);
    }
    return new AlternatingUsers(new MysqlAccounts(server, options), options);
  },
});
