import { afterAll, beforeAll } from '@jest/globals';
import { describeWith } from '../../kit/backends/backends.ts';
import { databaseRole } from '../../kit/rotation/vault-database-role.ts';
import { makePostgresPlace, type PostgresPlace } from '../../kit/databases/postgres-fixture.ts';
import { postgresStore } from '../../kit/rotation/postgres-store.ts';
import { rotatingAt } from '../../kit/rotation/made-at.ts';
import { postgresUsers } from '../../kit/rotation/postgres-user.ts';
import { writtenToVault } from '../../kit/rotation/written-elsewhere.ts';
import { strategies } from '../../kit/rotation/strategy.ts';

const strategy = strategies();

const title = 'F01 to F05: a broker whose store is in PostgreSQL';

describeWith(['openbao', 'postgres'], title, ({ openbao, postgres }) => {
  let place: PostgresPlace;
  beforeAll(async () => {
    place = await makePostgresPlace(postgres);
  });
  afterAll(() => place.close());
  const store = () => postgresStore(postgres);

  strategy('alternating users', {
    path: 'own/app',
    store,
    async open() {
      const users = [{ path: 'own/app', strategy: 'alternating-users' }] as const;
      const [user] = await postgresUsers(place, users);
      return user!;
    },
  });
  strategy('a static role of OpenBao', {
    path: 'own/app',
    store,
    isAhead: true,
    open: async () => rotatingAt('own/app', await databaseRole(openbao, postgres)),
  });
  strategy('a generated value in KV version 2 of OpenBao', {
    path: 'made/db',
    isGenerated: true,
    store,
    open: () => writtenToVault(openbao),
  });
});
