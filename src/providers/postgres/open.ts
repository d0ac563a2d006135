import type { CallState } from '../../ports/backend.ts';
import type { Clock } from '../../ports/clock.ts';
import type { RotationConnection } from '../../ports/rotation-target.ts';
import type { ProviderConnection } from '../../ports/secret-provider.ts';
import { AlternatingUsers } from '../sql/alternating-users.ts';
import type { GuardParts } from '../guard/guard.ts';
import { parseOptions } from '../parse-options.ts';
import { attachTarget, refuseOwnUser } from '../rotator/options.ts';
import { checkServer } from './check.ts';
import { connectPostgres, type PostgresServer } from './client/server.ts';
import {
  alternatingUsersOptions,
  type PostgresConnectionConfig,
  postgresMountOptions,
  singleUserOptions,
} from './config.ts';
import { PostgresProvider } from './credentials/provider.ts';
import { PostgresAccounts } from './rotator/accounts.ts';
import { SingleUser } from './rotator/single-user.ts';

/** One database of one PostgreSQL server: issues roles and rotates passwords. Opens no connection yet. */
export async function openPostgres(
  name: string,
  config: PostgresConnectionConfig,
  deps: GuardParts,
): Promise<OpenedPostgres> {
  return postgresAt(name, await connectPostgres(config, deps), deps);
}

/** The backend of a server that is already connected. */
export function postgresAt(
  name: string,
  server: PostgresServer,
  { clock }: { readonly clock: Clock },
): OpenedPostgres {
  const strategies = strategiesOf(server);
  return {
    provider: {
      name,
      kind: 'postgres',
      mount: (options) =>
        new PostgresProvider(server, parseOptions(postgresMountOptions, options), clock),
      check: (context) => checkServer(server, context),
    },
    rotation: {
      name,
      kind: 'postgres',
      target: (strategy, options) => attachTarget(strategies, strategy, options),
    },
    calls: () => server.state(),
    close: () => undefined,
  };
}

interface OpenedPostgres {
  readonly provider: ProviderConnection;
  readonly rotation: RotationConnection;
  calls(): CallState;
  close(): void;
}

type Strategies = Parameters<typeof attachTarget>[0];

const strategiesOf = (server: PostgresServer): Strategies => ({
  'single-user'(given) {
    const options = parseOptions(singleUserOptions, given);
    refuseOwnUser(server.username, options.username, '/username');
    return new SingleUser(new PostgresAccounts(server, options), options);
  },
  'alternating-users'(given) {
    const options = parseOptions(alternatingUsersOptions, given);
    for (const [index, name] of options.usernames.entries()) {
      refuseOwnUser(server.username, name, `/usernames/${index}`);
    }
    return new AlternatingUsers(new PostgresAccounts(server, options), options);
  },
});
