import { BrokerError } from '../../domain/errors.ts';
import type { ProviderConnection, SecretProvider } from '../../ports/secret-provider.ts';
import type { MysqlServer } from './client/server.ts';
import { parseOptions } from '../parse-options.ts';
import { checkServer } from './check.ts';
import { mysqlMountOptions, roleRef, type MysqlMountOptions } from './config.ts';
import { UserCredentials } from './credentials/user-credentials.ts';

const CREDENTIALS = 'credentials/';

/** Credentials to order of one server; opens no connection. */
export function connectMysqlProvider(name: string, server: MysqlServer): ProviderConnection {
  return {
    name,
    kind: 'mysql',
    mount: (options) => mountMysql(server, parseOptions(mysqlMountOptions, options)),
    check: (context) => checkServer(server, context),
    close: () => Promise.resolve(),
  };
}

/** Users made to order, and nothing to read: `<mount>/<set>` names what kind. */
function mountMysql(server: MysqlServer, options: MysqlMountOptions): SecretProvider {
  const sets = options.roles;
  return {
    covers: CREDENTIALS,
    credentials: new UserCredentials(server, options),
    locate(rest, ref) {
      const name = ref === undefined ? rest : parseOptions(roleRef, ref).role;
      if (Object.hasOwn(sets, name)) return `${CREDENTIALS}${name}`;
      if (ref === undefined) {
        throw new BrokerError('ERR_PATH_INVALID', 'below this mount a path is one of its roles');
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
