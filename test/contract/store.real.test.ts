import { describeWith } from '../kit/backends/backends.ts';
import { createDatabase } from '../kit/backends/postgres.ts';
import { openPostgresStore } from '../../src/store/postgres/open-postgres-store.ts';
import { storeContract } from './store.contract.ts';

describeWith(['postgres'], 'with PostgreSQL', ({ postgres }) => {
  storeContract('PostgreSQL', async () => {
    const database = await createDatabase(postgres);
    return {
      open: (parts) =>
        openPostgresStore(
          { connectionString: database.connectionString, poolSize: 4 },
          { ...parts, mode: 'development' },
        ),
      remove: () => database.drop(),
    };
  });
});
