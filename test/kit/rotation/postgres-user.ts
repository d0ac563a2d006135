import { randomBytes } from 'node:crypto';
import { uniqueName } from '../backends/unique-name.ts';
import type { PostgresPlace } from '../databases/postgres-fixture.ts';
import type { Rotating } from './rotating.ts';

/** The definition of one rotating path. */
export interface PostgresUser {
  readonly path: string;
  readonly strategy: 'alternating-users' | 'single-user';
  readonly options?: object;
  readonly more?: object;
}

/** Users of a real PostgreSQL, the first of which each secret names. `port`: the port of a proxy before the server. */
export async function postgresUsers(
  place: PostgresPlace,
  users: readonly PostgresUser[],
  port = place.port,
): Promise<readonly Rotating[]> {
  const target = { ...place.connection(['roles/**']), port };
  const rotating = users.map(async ({ path, strategy, more = {}, ...given }) => {
    const usernames = [uniqueName('app'), uniqueName('app')] as const;
    const password = randomBytes(12).toString('hex');
    for (const name of usernames) await place.createRole(name, password);
    const [first] = usernames;
    const named = strategy === 'single-user' ? { username: first } : { usernames };
    const options = { ...named, ...given.options };
    return {
      path,
      connections: { target },
      first: { username: first, password, other: 'kept' },
      rotation: { connection: 'target', strategy, options, ...more },
      close: () => Promise.resolve(),
      logsIn: (data) => place.logsIn(data['username'] as string, data['password'] as string),
    } satisfies Rotating;
  });
  return Promise.all(rotating);
}

/** The server's verifier of each user's password: its salt changes each time the password is set. */
export async function verifiers(place: PostgresPlace): Promise<ReadonlyMap<string, string>> {
  const rows = await place.query('SELECT rolname, rolpassword FROM pg_authid');
  return new Map(rows.map(([name, verifier]) => [String(name), String(verifier)]));
}
