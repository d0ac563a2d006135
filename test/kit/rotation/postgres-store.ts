import { createDatabase, type Postgres } from '../backends/postgres.ts';
import type { BrokerSetup } from '../broker/prepared-broker.ts';

/** A store that several processes can share. */
export interface StoreElsewhere {
  readonly furniture: BrokerSetup;
  readonly drop: () => Promise<void>;
}

/** A store in a separate database. */
export async function postgresStore(postgres: Postgres): Promise<StoreElsewhere> {
  const { connectionString, drop } = await createDatabase(postgres);
  return {
    furniture: {
      files: { dsn: connectionString },
      config: (directory) => ({
        store: { type: 'postgres', connectionStringFile: `${directory}/dsn` },
      }),
    },
    drop: () => drop(),
  };
}
