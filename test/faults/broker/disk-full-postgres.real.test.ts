import { rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect } from '@jest/globals';
import { describeWith } from '../../kit/backends/backends.ts';
import type { Running } from '../../kit/backends/footprint.ts';
import { startPostgres, type Postgres } from '../../kit/backends/postgres.ts';
import { until } from '../../kit/backends/until.ts';
import { PreparedBroker } from '../../kit/broker/prepared-broker.ts';
import type { Answer } from '../../kit/broker/installation.ts';
import { canMount, leftOut, SmallDisk, itIfMounted } from '../../kit/files/small-disk.ts';
import { smallDatabase } from '../../kit/store/small-database.ts';

describeWith(['postgres'], `F22: a broker whose PostgreSQL has a full disk${leftOut}`, () => {
  let disk: SmallDisk | undefined;
  let postgres: Running<Postgres>;
  let broker: PreparedBroker;
  let session: string;
  let filler: string;

  beforeAll(async () => {
    if (!canMount) return;
    disk = SmallDisk.mount('64m')!;
    filler = join(disk.path, 'filler');
    // A server of its own: the loss of a table space would affect the others.
    postgres = await startPostgres();
    const dsn = await smallDatabase(disk, postgres);
    broker = await PreparedBroker.start({
      files: { dsn },
      config: (directory) => ({
        store: { type: 'postgres', connectionStringFile: `${directory}/dsn` },
      }),
    });
    await broker.write('own/key', { key: 'mine' });
    session = await broker.logIn();
    expect((await broker.read(session, 'own/key')).status).toBe(200);
  });
  afterAll(async () => {
    await (broker as PreparedBroker | undefined)?.remove();
    await (postgres as Running<Postgres> | undefined)?.stop();
    disk?.unmount();
  });

  const call = (method: string, path: string, token?: string, body?: unknown): Promise<Answer> =>
    broker.installation.call(method, path, {
      ...(token !== undefined && { token }),
      ...(body !== undefined && { body }),
    });

  const logIn = (): Promise<Answer> =>
    call('POST', '/api/v1/sessions', undefined, {
      cluster: 'c1',
      token: broker.serviceAccountToken(),
    });

  /** Fills the free space, and then the free space inside the tables. */
  const fill = async (): Promise<void> => {
    const { bavail, bsize } = statfsSync(disk!.path);
    try {
      writeFileSync(filler, Buffer.alloc(bavail * bsize));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    }
    let full = 0;
    // The rollback of a login leaves room for the smaller rows of a read, so one round of refusals proves nothing.
    await until('the disk is full', async () => {
      const tries = Array.from({ length: 50 }, (_, n) =>
        n % 5 === 0 ? logIn() : broker.read(session, 'own/key'),
      );
      const isFull = (await Promise.all(tries)).every(({ status }) => status === 503);
      full = isFull ? full + 1 : 0;
      return full === 5;
    });
  };

  itIfMounted(
    'refuses every request that must be recorded, discloses nothing, and changes nothing (F22)',
    async () => {
      await fill();
      const { operator } = broker;
      const refused = await Promise.all([
        call('GET', '/api/v1/secrets/own/key', session),
        call('POST', '/api/v1/secrets:batch', session, { items: [{ path: 'own/key' }] }),
        logIn(),
        call('DELETE', '/api/v1/sessions/self', session),
        call('GET', '/api/v1/leases', operator),
        call('POST', '/api/v1/leases:revoke', operator, { by: 'pod', pod: 'uid-of-api-0' }),
        call('GET', '/api/v1/secrets/own/key', 'qms_nobody'),
      ]);
      for (const { status, json } of refused) {
        expect([status, json['code']]).toEqual([503, 'ERR_AUDIT_UNAVAILABLE']);
        expect(JSON.stringify(json)).not.toContain('mine');
      }
    },
  );

  itIfMounted('is alive, reports that it is not ready, and serves its metrics', async () => {
    expect((await call('GET', '/healthz')).status).toBe(200);
    // A rollback leaves room for a row now and then: the broker is ready until the next row does not fit.
    await until('it reports that', async () => {
      await broker.read(session, 'own/key');
      const { status } = await call('GET', '/readyz');
      return status === 503 && (await broker.metric('quaymaster_ready')) === 0;
    });
    expect(await broker.metric('quaymaster_leases_live')).toBe(1);
  });

  itIfMounted('recovers automatically when there is space again (F22)', async () => {
    rmSync(filler);
    await until('it is ready', async () => (await call('GET', '/readyz')).status === 200);
    await until('it reads', async () => (await broker.read(session, 'own/key')).status === 200);
    expect((await call('DELETE', '/api/v1/sessions/self', session)).status).toBe(204);
    expect(await broker.verifiedLog()).toContain('verified: ');
  });
});
