import { openPostgresStore } from '../../src/store/postgres/open-postgres-store.ts';
import { describeWith } from '../kit/backends/backends.ts';
import { createDatabase } from '../kit/backends/postgres.ts';
import { embeddedProviderContract } from './embedded-provider.contract.ts';

describeWith(['postgres'], 'with PostgreSQL', ({ postgres }) => {
  embeddedProviderContract('PostgreSQL', async () => {
    const database = await createDatabase(postgres);
    const { connectionString } = database;
    return {
      open: (deps) => openPostgresStore({ connectionString, poolSize: 4 }, deps),
      remove: () => database.drop(),
    };
  });
});
