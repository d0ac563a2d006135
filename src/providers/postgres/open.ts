import type { Clock } from '../../ports/clock.ts';
import type { ProviderConnection } from '../../ports/secret-provider.ts';
import type { PostgresServer } from './client/server.ts';
import { parseOptions } from '../parse-options.ts';
import { checkServer } from './check.ts';
import { postgresMountOptions } from './config.ts';
import { PostgresProvider } from './credentials/provider.ts';

/** Credentials to order of one database; opens no connection. */
export function connectPostgresProvider(
  name: string,
  server: PostgresServer,
  parts: { readonly clock: Clock },
): ProviderConnection {
  return {
    name,
    kind: 'postgres',
    mount: (options) =>
      new PostgresProvider(server, parseOptions(postgresMountOptions, options), parts.clock),
    check: (context) => checkServer(server, context),
    close: () => Promise.resolve(),
  };
}
