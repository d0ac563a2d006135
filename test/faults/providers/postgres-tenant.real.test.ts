import { afterAll, beforeAll } from '@jest/globals';
import { describeWith } from '../../kit/backends/backends.ts';
import type { Postgres } from '../../kit/backends/postgres.ts';
import { leftovers } from '../../kit/databases/postgres-leftovers.ts';
import { resisting } from '../../kit/databases/postgres-resisting.ts';
import { tenantPlace, type TenantPlace } from '../../kit/databases/postgres-tenant.ts';

function hostileTenant(postgres: Postgres): void {
  let place: TenantPlace;
  beforeAll(async () => {
    place = await tenantPlace(postgres);
  });
  afterAll(() => place.close());
  resisting(() => place);
  leftovers(() => place);
}

describeWith(['postgres'], 'a credential of a hostile tenant of PostgreSQL 18', ({ postgres }) =>
  hostileTenant(postgres),
);
describeWith(
  ['postgres15'],
  'a credential of a hostile tenant of PostgreSQL 15',
  ({ postgres15 }) => hostileTenant(postgres15),
);
