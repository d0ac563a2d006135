import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { describeWith } from '../../kit/backends/backends.ts';
import { createDatabase, type TestDatabase } from '../../kit/backends/postgres.ts';
import { until } from '../../kit/backends/until.ts';
import { PreparedBroker, vaultConnection } from '../../kit/broker/prepared-broker.ts';
import { FakeVault } from '../../kit/fakes/fake-vault.ts';
import { KILLING_POINTS, WAITING_POINTS } from '../../kit/leases/issue-kill-points.ts';
import { isPast } from '../../kit/rotation/at-points.ts';

/**
 * The clock of the one that takes over is four minutes ahead. An issue counts as abandoned after two minutes, because another replica may still work on
 * it. A clock that only ran faster would shorten the deadline of each revocation as much: at 30 times 10 s were 0.3 s, and on a busy machine every attempt
 * failed.
 */
const AHEAD_MS = 240_000;

describeWith(
  ['postgres'],
  'F18: a broker on PostgreSQL killed while it issues a credential (I2)',
  ({ postgres }) => {
    let database: TestDatabase;
    let vault: FakeVault;
    let broker: PreparedBroker;
    let survivor: PreparedBroker;
    let session: string;

    beforeAll(async () => {
      database = await createDatabase(postgres);
      vault = await FakeVault.start();
      broker = await PreparedBroker.start({
        files: { 'vault.token': 's.broker', dsn: database.connectionString },
        config: (directory) => ({
          store: { type: 'postgres', connectionStringFile: `${directory}/dsn` },
          connections: { vault: vaultConnection(directory, vault.address) },
        }),
        documents: {
          '/mounts/db': {
            prefix: 'db',
            connection: 'vault',
            options: { engine: 'dynamic', path: 'db', root: 'creds', tokenRole: 'creds' },
          },
          '/definitions/db/app': { class: 'dynamic', leaseTtl: '90s' },
        },
      });
      survivor = await broker.replica();
      session = await broker.logIn();
      await broker.installation.stop();
    });
    afterAll(async () => {
      await survivor.remove();
      await broker.remove();
      await vault.close();
      await database.drop();
    });

    const asked = (path: string): number =>
      vault.requests.filter(({ target }) => target === path).length;

    it('leaves nothing at the backend, wherever it dies: another takes over (F18)', async () => {
      for (const [index, point] of KILLING_POINTS.entries()) {
        await broker.startWithFailpoints();
        const waitingPoint = WAITING_POINTS[index]!;
        await broker.arm(waitingPoint, 'wait');
        const waiting = Promise.allSettled([broker.order(session, 'db/app', waitingPoint)]);
        await until('it waits there', () => isPast(broker, waitingPoint));
        await broker.arm(point, 'kill');
        await expect(broker.order(session, 'db/app', point)).rejects.toThrow();
        expect(await broker.installation.ended()).toBeNull();
        expect(await waiting).toMatchObject([{ status: 'rejected' }]);
      }
      // There was something to revoke: a token from its preparation on, and a lease under it from its issue on.
      expect([asked('/v1/auth/token/create/creds'), asked('/v1/db/creds/app')]).toEqual([4, 2]);
      await survivor.startWithFailpoints({ epoch: Date.now() - AHEAD_MS, speed: 2 });
      await until('every order is settled', async () => {
        const states = ['intended', 'prepared', 'issued', 'revoking', 'irrevocable', 'expiring'];
        const names = states.map((state) => `quaymaster_credentials{state="${state}"}`);
        return (await survivor.metrics(names)).every((count) => count === 0);
      });
      const made = () => [...vault.tokens.values()].filter(({ metadata }) => metadata !== null);
      await until('no lease lives at the backend', () =>
        Promise.resolve(vault.leases.size === 0 && made().length < 2),
      );
      // Killed before any process knew its name: a token by itself, which expires at Vault within a minute.
      expect(made()).toMatchObject([{ ttl: 60 }]);
      expect(await survivor.verifiedLog()).toContain('verified: ');

      await broker.installation.start();
      expect((await broker.order(session, 'db/app', 'after-all')).status).toBe(201);
    });
  },
);
