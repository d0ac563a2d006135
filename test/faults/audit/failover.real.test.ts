import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { createBoot } from '../../kit/log/created-boot.ts';
import { createChain } from '../../../src/audit/chain/chain.ts';
import { checkpointFile } from '../../../src/audit/log/checkpoint-file.ts';
import { splitEntries } from '../../../src/audit/records/entry.ts';
import { exportLog } from '../../../src/audit/proof/export.ts';
import { storeSource } from '../../../src/audit/proof/export-source.ts';
import { Integrator } from '../../../src/audit/log/integrator.ts';
import { logIdentity } from '../../../src/audit/records/log-identity.ts';
import { LocalBatches } from '../../../src/audit/records/local-batches.ts';
import { verifyExport } from '../../../src/audit/proof/verify.ts';
import { systemClock } from '../../../src/process/clock.ts';
import { generateSigningKey } from '../../../src/crypto/signatures/signing.ts';
import type { Store } from '../../../src/ports/store.ts';
import { openPostgresStore } from '../../../src/store/postgres/open-postgres-store.ts';
import { storeClaims } from '../../../src/store/claims.ts';
import { describeWith } from '../../kit/backends/backends.ts';
import type { Running } from '../../kit/backends/footprint.ts';
import {
  createDatabase,
  startPostgres,
  startStandby,
  type Postgres,
} from '../../kit/backends/postgres.ts';
import { until } from '../../kit/backends/until.ts';
import { body, startBody } from '../../kit/log/log-bench.ts';

/** The address of the primary, which moves to another server when that one is promoted. */
class MovingAddress {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #target: number;

  private constructor(target: number) {
    this.#target = target;
    this.#server = createServer((client) => {
      const server = connect(this.#target, '127.0.0.1');
      for (const [from, to] of [
        [client, server],
        [server, client],
      ] as const) {
        this.#sockets.add(from);
        from.on('error', () => to.destroy());
        from.on('close', () => to.destroy());
        from.pipe(to);
      }
    });
  }

  static async at(target: number): Promise<MovingAddress> {
    const address = new MovingAddress(target);
    await new Promise<void>((done) => address.#server.listen(0, '127.0.0.1', done));
    return address;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  moveTo(target: number): void {
    this.#target = target;
    for (const socket of this.#sockets) socket.destroy();
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}

interface Replica {
  readonly name: string;
  readonly store: Store;
  readonly integrator: Integrator;
}

const ENOUGH = 150;

describeWith(['postgres'], 'failover of PostgreSQL to a synchronous standby under load', () => {
  let primary: Running<Postgres>;
  let standby: Running<Postgres>;
  let address: MovingAddress;
  const endings: (() => unknown)[] = [];
  let directory: string;
  let name: string;
  const log = logIdentity('log.example/failover', generateSigningKey());
  const replicas: Replica[] = [];

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'failover-'));
    primary = await startPostgres();
    endings.push(() => primary.stop());
    const database = await createDatabase(primary);
    standby = await startStandby(primary);
    endings.push(() => standby.stop());
    await query(primary.adminConnectionString, `ALTER SYSTEM SET synchronous_standby_names = '*'`);
    await query(primary.adminConnectionString, 'SELECT pg_reload_conf()');
    await until('the standby is synchronous', async () => {
      const rows = await query(primary.adminConnectionString, SYNCHRONOUS);
      return rows.length === 1;
    });
    address = await MovingAddress.at(primary.port);
    endings.push(() => address.close());
    const url = new URL(database.connectionString);
    name = url.pathname.slice(1);
    url.port = String(address.port);
    for (const replica of ['one', 'two']) replicas.push(await open(replica, url.href));
  });

  afterAll(async () => {
    for (const { integrator, store } of replicas) {
      await integrator.close();
      await store.close();
    }
    for (const ending of endings.toReversed()) await ending();
    await rm(directory, { recursive: true });
  });

  async function open(replica: string, connectionString: string): Promise<Replica> {
    const boot = createBoot(log.signer.key, systemClock.now());
    const localBatches = new LocalBatches();
    const store = await openPostgresStore(
      { connectionString, poolSize: 3 },
      { chain: createChain(boot, localBatches), clock: systemClock, mode: 'development' },
    );
    const file = checkpointFile(join(directory, `checkpoint-${replica}`));
    const claims = storeClaims(store, systemClock, { owner: boot.writer, alone: false });
    const options = { store, clock: systemClock, log, outside: file, localBatches, claims };
    const integrator = new Integrator({ ...options, alone: false });
    await store.commit({ entries: [startBody(boot)] });
    await integrator.start();
    return { name: replica, store, integrator };
  }

  it('loses no acknowledged entry, and the epochs of the integrator only rise (F36)', async () => {
    const acknowledged: string[] = [];
    const refused: string[] = [];
    const epochs: number[] = [];
    const state = { isOver: false };
    const load = replicas.flatMap(({ name: replica, store }) =>
      Array.from({ length: 4 }, async (_, client) => {
        for (let n = 0; !state.isOver; n += 1) {
          const requestId = `req_${replica}-${client}-${n}`;
          const invalidates = n % 10 === 9 ? [`session:${requestId}`] : [];
          await store.commit({ entries: [body({ requestId })], invalidates }).then(
            () => acknowledged.push(requestId),
            (error: unknown) => {
              // Refused for certain; an unknown outcome may be in the log.
              if (codeOf(error) === 'ERR_AUDIT_UNAVAILABLE') refused.push(requestId);
            },
          );
          if (store.fault() !== undefined) await systemClock.sleep(50);
        }
      }),
    );
    const watch = (async (): Promise<void> => {
      while (!state.isOver) {
        const row = await replicas[0]?.store
          .get('claims', { name: 'audit-integrator' })
          .catch(() => undefined);
        if (row !== undefined) epochs.push(row.epoch);
        await systemClock.sleep(20);
      }
    })();
    await until('the load runs', () => Promise.resolve(acknowledged.length > ENOUGH));
    // The postmaster alone dies at once; its children end when they notice.
    for (const { pid } of primary.processes) process.kill(pid, 'SIGKILL');
    const before = acknowledged.length;
    await query(standby.adminConnectionString, 'SELECT pg_promote()');
    address.moveTo(standby.port);
    await until('both replicas commit again', () =>
      Promise.resolve(
        acknowledged.length > before + ENOUGH &&
          replicas.every(({ store }) => store.fault() === undefined),
      ),
    );
    state.isOver = true;
    await Promise.all([...load, watch]);

    const [one] = replicas;
    if (one === undefined) throw new Error('two replicas');
    await until('all entries are integrated', async () => {
      await Promise.all(replicas.map(({ integrator }) => integrator.integrate()));
      const active = replicas.find(({ integrator }) => integrator.status().state === 'active');
      return (active?.integrator.status().size ?? 0) >= acknowledged.length + 2;
    });
    const target = join(directory, 'export');
    await exportLog(storeSource(one.store, log), target);
    expect(await verifyExport(target)).toMatchObject({ holds: true });
    const url = new URL(standby.adminConnectionString);
    url.pathname = `/${name}`;
    const rows = await query(url.href, 'SELECT "entries" FROM "audit_batches"');
    const ids = (rows as readonly { readonly entries: Buffer }[])
      .flatMap(({ entries }) => splitEntries(entries))
      .map((entry) => (JSON.parse(entry) as { readonly requestId: string }).requestId)
      .filter((id) => /^req_(?:one|two)-/.test(id));
    const found = new Set(ids);
    expect(ids).toHaveLength(found.size);
    expect(acknowledged.filter((id) => !found.has(id))).toEqual([]);
    expect(refused.filter((id) => found.has(id))).toEqual([]);
    expect(epochs).toEqual(epochs.toSorted((left, right) => left - right));
  });
});

const SYNCHRONOUS = `SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'`;

function codeOf(error: unknown): string {
  return (error as { readonly code: string }).code;
}

async function query(connectionString: string, sql: string): Promise<readonly unknown[]> {
  const client = new pg.Client({ connectionString });
  client.on('error', () => undefined);
  await client.connect();
  try {
    const { rows } = await client.query<Record<string, unknown>>(sql);
    return rows;
  } finally {
    await client.end();
  }
}
