import { afterAll, beforeAll, expect } from '@jest/globals';
import { postgresAt } from '../../../src/providers/postgres/open.ts';
import { systemClock } from '../../../src/process/clock.ts';
import { quoteIdentifier } from '../../../src/providers/postgres/quote.ts';
import { contextOf, failureOf } from '../../contract/secret-provider.contract.ts';
import { describeWith } from '../../kit/backends/backends.ts';
import { sincePostgres } from '../../kit/backends/postgres-version.ts';
import { startPostgres, type Postgres } from '../../kit/backends/postgres.ts';
import type { Running } from '../../kit/backends/footprint.ts';
import {
  revoked,
  tenantPlace,
  type HostileTenant,
  type TenantPlace,
} from '../../kit/databases/postgres-tenant.ts';

/**
 * A server of its own, because tenants take every connection of it. The shared one is requested only so that the suite
 * runs where PostgreSQL is.
 */
// The setting `reserved_connections` came with version 16.
const { itSince, leftOut } = sincePostgres(16);

describeWith(
  ['postgres'],
  `a PostgreSQL server whose connections are taken by tenants${leftOut}`,
  () => {
    let server: Running<Postgres>;
    let at: TenantPlace;
    beforeAll(async () => {
      server = await startPostgres({
        settings: {
          max_connections: '24',
          reserved_connections: '4',
          superuser_reserved_connections: '3',
        },
      });
      at = await tenantPlace(server);
    });
    afterAll(async () => {
      await at.close();
      await server.stop();
    });

    const exhaust = async (tenants: readonly HostileTenant[]): Promise<number> => {
      let opened = 0;
      for (const tenant of tenants) {
        for (;;) {
          const isOpen = await tenant.open().then(
            () => true,
            () => false,
          );
          if (!isOpen) break;
          opened += 1;
        }
      }
      return opened;
    };
    const reserve = (verb: 'GRANT' | 'REVOKE') =>
      at.place.query(
        `${verb} pg_use_reserved_connections ${verb === 'GRANT' ? 'TO' : 'FROM'} ${quoteIdentifier(at.place.admin)}`,
      );
    const findings = async (): Promise<string> => {
      const { provider } = postgresAt('db', await at.place.connect(), {
        clock: systemClock,
      });
      return (await provider.check(contextOf())).findings.join('\n');
    };

    itSince(
      'is reported by the check of a mount while the role has no reserved connection',
      async () => {
        expect(await findings()).toContain('reserved_connections');
        await reserve('GRANT');
        expect(await findings()).not.toContain('reserved_connections');
        await reserve('REVOKE');
      },
    );

    itSince(
      'delays revocations without a reserved connection, and no longer than the tenants stay (HT02)',
      async () => {
        const tenants = [await at.issue(), await at.issue()];
        expect(await exhaust(tenants)).toBeGreaterThan(5);
        expect(await failureOf(tenants[0]!.revoke())).toMatchObject({
          code: 'ERR_PROVIDER_UNAVAILABLE',
          reason: 'not_serving',
        });
        await reserve('GRANT');
        for (const tenant of tenants) expect(await revoked(at, tenant)).toBe('');
      },
    );

    itSince(
      'completes revocations with a reserved connection while tenants keep every other one and reconnect (HT02)',
      async () => {
        const tenants = [await at.issue(), await at.issue()];
        await exhaust(tenants);
        let isOver = false;
        const coming = tenants.map(async (tenant) => {
          while (!isOver) await tenant.open().catch(() => undefined);
        });
        for (const tenant of tenants) expect(await revoked(at, tenant)).toBe('');
        isOver = true;
        await Promise.all(coming);
      },
    );
  },
);
