import { BrokerError } from '../../domain/errors.ts';
import type { Clock } from '../../ports/clock.ts';
import type { RotationConnection, RotationTarget } from '../../ports/rotation-target.ts';
import type { ProviderConnection } from '../../ports/secret-provider.ts';
import { parseOptions } from '../parse-options.ts';
import { unknownStrategy } from '../rotator/options.ts';
import { checkServer } from './check.ts';
import { connectPostgres, type PostgresServer } from './client/server.ts';
import {
  alternatingUsersOptions,
  type PostgresConnectionConfig,
  postgresMountOptions,
  singleUserOptions,
} from './config.ts';
import { PostgresProvider } from './credentials/provider.ts';
import { AlternatingUsers } from './rotator/alternating-users.ts';
import { SingleUser } from './rotator/single-user.ts';

/** One database of one PostgreSQL server: issues roles and rotates passwords. Opens no connection yet. */
export async function openPostgres(
  name: string,
  config: PostgresConnectionConfig,
  deps: { readonly clock: Clock },
): Promise<OpenedPostgres> {
  return postgresAt(name, await connectPostgres(config, deps), deps);
}

/** What the connection offers at a server that is connected already. */
export function postgresAt(
  name: string,
  server: PostgresServer,
  { clock }: { readonly clock: Clock },
): OpenedPostgres {
  return {
    provider: {
      name,
      kind: 'postgres',
      mount: (options) =>
        new PostgresProvider(server, parseOptions(postgresMountOptions, options), clock),
      check: (context) => checkServer(server, context),
      close: () => Promise.resolve(),
    },
    rotation: {
      name,
      kind: 'postgres',
      target: (strategy, options) => targetAt(server, strategy, options),
    },
    close: () => undefined,
  };
}

interface OpenedPostgres {
  readonly provider: ProviderConnection;
  readonly rotation: RotationConnection;
  close(): void;
}

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

function targetAt(server: PostgresServer, strategy: string, options: unknown): RotationTarget {
  const attach = Object.hasOwn(STRATEGIES, strategy) ? STRATEGIES[strategy] : undefined;
  if (attach === undefined) throw unknownStrategy(Object.keys(STRATEGIES));
  return attach(server, options);
}

/** Rotating it would lock the connection itself out, and nobody could undo anything. */
function refuseOwnUser(server: PostgresServer, username: string, pointer: string): void {
  if (username !== server.username) return;
  throw new BrokerError('ERR_BODY_INVALID', undefined, {
    problems: [{ pointer, message: 'is the user of the connection itself' }],
  });
}
