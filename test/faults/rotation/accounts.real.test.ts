import { afterAll, beforeAll, describe } from '@jest/globals';
import { describeWith } from '../../kit/backends/backends.ts';
import { mysqlUsers } from '../../kit/databases/mysql-users.ts';
import { makePostgresPlace, type PostgresPlace } from '../../kit/databases/postgres-fixture.ts';
import { redisUser } from '../../kit/databases/redis-user.ts';
import { privateFile } from '../../kit/rotation/target-fixture.ts';
import { rotatingAt } from '../../kit/rotation/made-at.ts';
import { postgresUsers } from '../../kit/rotation/postgres-user.ts';
import { webhookAccount } from '../../kit/rotation/webhook-account.ts';
import { strategies } from '../../kit/rotation/strategy.ts';

const strategy = strategies();

describe('F01 to F05: a broker that fails while a secret rotates (I5)', () => {
  strategy('an account behind a webhook', {
    path: 'own/app',
    open: () => webhookAccount('own/app'),
  });
});

describeWith(['postgres'], 'F01 to F05: PostgreSQL', ({ postgres }) => {
  let place: PostgresPlace;
  beforeAll(async () => {
    place = await makePostgresPlace(postgres);
  });
  afterAll(() => place.close());

  for (const strategyName of ['alternating-users', 'single-user'] as const) {
    strategy(strategyName, {
      path: 'own/app',
      isWhole: true,
      async open() {
        const [user] = await postgresUsers(place, [{ path: 'own/app', strategy: strategyName }]);
        return user!;
      },
    });
  }
});

describeWith(['mariadb'], 'F01 to F05: MariaDB', ({ mariadb }) => {
  let file: Awaited<ReturnType<typeof privateFile>>;
  beforeAll(async () => {
    file = await privateFile(mariadb.password);
  });
  afterAll(() => file.remove());

  for (const strategyName of ['alternating-users', 'single-user'] as const) {
    strategy(strategyName, {
      path: 'own/app',
      open: () =>
        rotatingAt('own/app', mysqlUsers({ mariadb, passwordFile: file.path }, strategyName)),
    });
  }
});

describeWith(['redis'], 'F01 to F05: Redis', ({ redis }) => {
  let file: Awaited<ReturnType<typeof privateFile>>;
  beforeAll(async () => {
    file = await privateFile(redis.password);
  });
  afterAll(() => file.remove());

  strategy('a user', {
    path: 'own/app',
    open: () => rotatingAt('own/app', redisUser({ redis, passwordFile: file.path })),
  });
});
