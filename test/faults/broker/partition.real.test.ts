import { afterAll, beforeAll, expect } from '@jest/globals';
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import { describeWith } from '../../kit/backends/backends.ts';
import { createDatabase, startPostgres } from '../../kit/backends/postgres.ts';
import { until } from '../../kit/backends/until.ts';
import { History } from '../../kit/broker/request-history.ts';
import type { Answer } from '../../kit/broker/installation.ts';
import { LOAD_LIMITS } from '../../kit/broker/broker-load.ts';
import {
  itOnNetwork,
  Network,
  withoutNetwork,
  type Host,
} from '../../kit/network/network-namespaces.ts';
import { PreparedBroker } from '../../kit/broker/prepared-broker.ts';
import { postgresLog } from '../../kit/log/stored-log.ts';

/** A broker on its host, and its client. */
interface Side {
  readonly broker: PreparedBroker;
  readonly host: Host;
  /** The secret that its client reads and writes all the time. */
  readonly path: string;
  readonly session: string;
  /** Statuses of the answers to requests that began while it was cut off. */
  readonly meanwhile: number[];
}

interface Claim {
  readonly owner: string;
  readonly epoch: number;
}

const ENOUGH = 100;

const title = `two brokers on the two sides of a partition (F62)${withoutNetwork}`;
describeWith(['postgres'], title, () => {
  let network: Network;
  let connectionString: string;
  let admin: pg.Client;
  /** The one that integrates the log before the partition. */
  let lost: Side;
  let kept: Side;
  let revoked: string;
  let leaving: string;
  let cutOff: Side | undefined;
  let isOver = false;
  let load: readonly Promise<void>[] = [];
  const epochs: number[] = [];
  const endings: (() => unknown)[] = [];
  const history = new History();

  beforeAll(async () => {
    network = Network.of(3);
    endings.push(() => network.remove());
    const [place, firstHost, secondHost] = network.hosts as [Host, Host, Host];
    const postgres = await startPostgres({ host: place });
    endings.push(() => postgres.stop());
    ({ connectionString } = await createDatabase(postgres));
    admin = new pg.Client({ connectionString });
    await admin.connect();
    endings.push(() => admin.end());
    const dsn = new URL(connectionString);
    dsn.hostname = place.address;
    const first = await PreparedBroker.start({
      host: firstHost,
      files: { dsn: dsn.href },
      config: (directory) => ({
        // Each value that is read has a lease of its own.
        limits: LOAD_LIMITS,
        store: { type: 'postgres', connectionStringFile: `${directory}/dsn` },
      }),
    });
    endings.push(() => first.remove());
    // The first epoch was that of its initialisation.
    await until('it integrates the log', async () => ((await claim())?.epoch ?? 0) > 1);
    const alone = await claim();
    const second = await first.replica(secondHost);
    endings.push(() => second.remove());
    await second.installation.start();
    const [one, other] = [
      await sideOf(first, firstHost, 'own/first'),
      await sideOf(second, secondHost, 'own/second'),
    ];
    revoked = await first.logIn({ pod: 'revoked' });
    leaving = await first.logIn({ pod: 'leaving' });
    for (const { broker } of [one, other])
      expect((await broker.read(revoked, one.path)).status).toBe(200);
    load = [use(one), use(other), watchEpochs()];
    [lost, kept] = (await claim())?.owner === alone?.owner ? [one, other] : [other, one];
    await untilServed(one, other);
  });

  afterAll(async () => {
    isOver = true;
    await Promise.all(load);
    for (const ending of endings.toReversed()) await ending();
  });

  async function sideOf(broker: PreparedBroker, host: Host, path: string): Promise<Side> {
    const session = await broker.logInEarly({ pod: path.replace('/', '-') });
    const side = { broker, host, path, session, meanwhile: [] };
    await write(side, 'first');
    return side;
  }

  async function write({ broker, path }: Side, value: string): Promise<number | undefined> {
    const { installation, operator: token } = broker;
    const asked = { kind: 'write', path, session: 'operator', value } as const;
    const request = { token, body: { data: { value } } };
    const answer = await history.run(asked, () =>
      installation.call('PUT', `/api/v1/secrets/${path}`, request),
    );
    return answer?.status;
  }

  async function read({ broker, path, session }: Side): Promise<number | undefined> {
    const asked = { kind: 'read', path, session, value: undefined } as const;
    return (await history.run(asked, () => broker.read(session, path)))?.status;
  }

  async function logOut({ broker }: Side, session: string): Promise<Answer | undefined> {
    const asked = { kind: 'logOut', path: '', session, value: undefined } as const;
    return history.run(asked, () =>
      broker.installation.call('DELETE', '/api/v1/sessions/self', { token: session }),
    );
  }

  /** Reads and writes until the test is over. */
  async function use(side: Side): Promise<void> {
    for (let n = 0; !isOver; n += 1) {
      const isCut = cutOff === side;
      const statuses = [await read(side), await write(side, String(n))];
      if (isCut && cutOff === side) side.meanwhile.push(...statuses.map((status) => status ?? 0));
      await pause(40);
    }
  }

  /** Waits until the client of each side has got many more answers with status 2xx. */
  async function untilServed(...these: readonly Side[]): Promise<void> {
    const served = ({ path }: Side): number =>
      history.operations.filter((each) => each.path === path && each.outcome === 'ok').length;
    const before = these.map(served);
    await until('its client is served', () =>
      Promise.resolve(these.every((side, n) => served(side) > (before[n] ?? 0) + ENOUGH)),
    );
  }

  async function claim(): Promise<Claim | undefined> {
    const sql = `SELECT "owner", "epoch"::int FROM "claims" WHERE "name" = 'audit-integrator'`;
    return (await admin.query<Claim>(sql)).rows[0];
  }

  async function watchEpochs(): Promise<void> {
    while (!isOver) {
      epochs.push((await claim())?.epoch ?? 0);
      await pause(50);
    }
  }

  itOnNetwork(
    'fail closed without the database, while the other takes over the log (F62)',
    async () => {
      const before = await claim();
      network.cut(lost.host);
      cutOff = lost;
      await until('the other integrates the log', async () => {
        return (await claim())?.owner !== before?.owner;
      });
      const size = await kept.broker.metric('quaymaster_audit_entries');
      await untilServed(kept);
      await until('the log grows', async () => {
        return (await kept.broker.metric('quaymaster_audit_entries')) > size;
      });
      const body = { by: 'pod', cluster: 'c1', pod: 'uid-of-revoked' };
      const { operator: token, installation } = kept.broker;
      const ended = await installation.call('POST', '/api/v1/sessions:end', { token, body });
      expect(ended.status).toBe(200);

      // Each of them waits for the database as long as the broker does, so all wait at once.
      const own = lost.broker.installation;
      const login = { body: { cluster: 'c1', token: lost.broker.serviceAccountToken() } };
      const [loggedOut, loggedIn, ...reads] = await Promise.all([
        logOut(lost, leaving),
        own.call('POST', '/api/v1/sessions', login),
        ...READS.map((path) => own.call('GET', `/api/v1${path}`, { token })),
        until('its client has got answers', () => Promise.resolve(lost.meanwhile.length >= 10)),
      ]);
      expect([loggedOut?.status, loggedIn.status]).toEqual([503, 503]);
      const statuses = READS.map((path, index) => [path, reads[index]?.status]);
      expect(statuses).toEqual(READS.map((path) => [path, 503]));
      expect(new Set(lost.meanwhile)).toEqual(new Set([503]));
    },
  );

  itOnNetwork(
    'continue after it, and disclose nothing that was revoked meanwhile (F62)',
    async () => {
      network.heal(lost.host);
      cutOff = undefined;
      let status = 503;
      await until('it answers again', async () => {
        ({ status } = await lost.broker.read(revoked, lost.path));
        return status !== 503;
      });
      expect(status).toBe(401);
      await untilServed(lost, kept);
    },
  );

  itOnNetwork(
    'lose no acknowledged entry, and the epochs of the integrator only rise (F62)',
    async () => {
      isOver = true;
      await Promise.all(load);
      const last = new Map<string, string>();
      const session = await kept.broker.logIn({ pod: 'last' });
      for (const { path } of [lost, kept]) {
        const { status, json } = await kept.broker.read(session, path);
        expect({ status, json }).toMatchObject({ status: 200 });
        last.set(path, (json['data'] as { readonly value: string }).value);
      }
      await kept.broker.installation.stop();
      for (const { broker } of [lost, kept]) {
        const report = await broker.verifiedLog();
        expect(report).toContain('verified: ');
        expect(report).toContain('anchored');
      }
      expect(history.violations(await postgresLog(connectionString), last)).toEqual([]);
      expect(epochs).toEqual(epochs.toSorted((left, right) => left - right));
      expect(epochs.at(-1)).toBeGreaterThan(epochs[0] ?? Infinity);
    },
  );
});

/** Requests of operators that each need a commit. */
const READS = ['/leases', '/policies/all', '/audit/entries'];
