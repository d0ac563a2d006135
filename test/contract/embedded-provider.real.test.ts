import { afterAll, beforeAll } from '@jest/globals';
import { systemClock } from '../../src/process/clock.ts';
import { openPostgresStore } from '../../src/store/postgres/open-postgres-store.ts';
import type { StoreDeps } from '../../src/store/store-deps.ts';
import type { Store } from '../../src/ports/store.ts';
import { describeWith } from '../kit/backends/backends.ts';
import { createDatabase, type TestDatabase } from '../kit/backends/postgres.ts';
import { FakeAuditChain } from '../kit/fakes/fake-audit-chain.ts';
import { embeddedProviderContract } from './embedded-provider.contract.ts';

function open({ connectionString }: TestDatabase, deps: StoreDeps): Promise<Store> {
  return openPostgresStore({ connectionString, poolSize: 4 }, deps);
}

describeWith(['postgres'], 'with PostgreSQL', ({ postgres }) => {
  /** A new store. The migrations take most of its opening, so each test has a copy. */
  let migrated: TestDatabase;
  beforeAll(async () => {
    migrated = await createDatabase(postgres);
    const deps = { chain: new FakeAuditChain(), clock: systemClock, mode: 'development' } as const;
    await (await open(migrated, deps)).close();
  });
  afterAll(() => migrated.drop());

  embeddedProviderContract('PostgreSQL', async () => {
    const database = await createDatabase(postgres, { copyOf: migrated });
    return {
      open: (deps) => open(database, deps),
      remove: () => database.drop(),
    };
  });
});
