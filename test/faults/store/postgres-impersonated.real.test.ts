import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { systemClock } from '../../../src/process/clock.ts';
import type { OpenedStore } from '../../../src/store/index.ts';
import { openPostgresStore } from '../../../src/store/postgres/open-postgres-store.ts';
import { describeWith } from '../../kit/backends/backends.ts';
import { createDatabase } from '../../kit/backends/postgres.ts';
import { until } from '../../kit/backends/until.ts';
import { FakeAuditChain } from '../../kit/fakes/fake-audit-chain.ts';
import { HostilePostgres, int32, message } from '../../kit/fakes/hostile-postgres.ts';
import { leaseRow } from '../../kit/fakes/store-rows.ts';
import { FaultProxy } from '../../kit/network/fault-proxy.ts';

describeWith(['postgres'], 'a process at the port of a database that is down', ({ postgres }) => {
  let proxy: FaultProxy;
  let store: OpenedStore;
  let password: string;
  const hostile = new HostilePostgres((socket) => socket.write(message('R', int32(3))));

  beforeAll(async () => {
    const { connectionString } = await createDatabase(postgres);
    const url = new URL(connectionString);
    ({ password } = url);
    proxy = await FaultProxy.start(Number(url.port));
    url.port = String(proxy.port);
    store = await openPostgresStore(
      { connectionString: url.href, poolSize: 2 },
      { chain: new FakeAuditChain(), clock: systemClock, mode: 'development' },
    );
  });
  afterAll(async () => {
    await store.close();
    await proxy.down();
  });

  it('gets the password neither by a read nor by a commit, and the store heals afterwards (B11)', async () => {
    const { port } = proxy;
    const commit = () => store.commit({ writes: [{ table: 'leases', put: leaseRow('lea_1') }] });
    await proxy.down();
    await hostile.listen('127.0.0.1', port);
    await expect(store.get('leases', { id: 'lea_1' })).rejects.toThrow();
    await expect(commit()).rejects.toThrow();
    await until('both kinds of connections', () => Promise.resolve(hostile.received.length >= 2));
    expect(Buffer.concat(hostile.received).toString('latin1')).not.toContain(password);
    await hostile.close();
    await proxy.up();
    await until('a commit', () =>
      commit().then(
        () => true,
        () => false,
      ),
    );
    await expect(store.get('leases', { id: 'lea_1' })).resolves.toMatchObject({ id: 'lea_1' });
  });
});
