import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Workload } from '../../src/domain/identity/workload.ts';
import { postgresAt } from '../../src/providers/postgres/open.ts';
import { systemClock } from '../../src/process/clock.ts';
import { quoteIdentifier } from '../../src/providers/postgres/quote.ts';
import { describeWith } from '../kit/backends/backends.ts';
import { uniqueName } from '../kit/backends/unique-name.ts';
import { until } from '../kit/backends/until.ts';
import { dynamicCredentialsContract } from './dynamic-credentials.contract.ts';
import { makePostgresPlace, type PostgresPlace } from '../kit/databases/postgres-fixture.ts';
import { contextOf, failureOf } from './secret-provider.contract.ts';

const CREATE = 'CREATE ROLE {{name}} LOGIN PASSWORD {{password}} VALID UNTIL {{expiration}}';
const workload: Workload = {
  cluster: 'east',
  namespace: 'payments"; DROP',
  serviceAccount: 'api.with-a-very-long-name-that-does-not-fit',
  serviceAccountUid: '6f0b7f4e-6d5c-4c0e-9a70-2f9c0f2b9f01',
  pod: { name: 'api-1', uid: '0c1b9f6e-3b1f-4f3e-8b5a-0d6c2d5f7a11' },
};

/** A name of this run alone. */
const run = randomBytes(4).toString('hex');
let intents = 0;

describeWith(['postgres'], 'dynamic roles of PostgreSQL', ({ postgres }) => {
  let place: PostgresPlace;
  beforeAll(async () => {
    place = await makePostgresPlace(postgres);
    await place.query('CREATE TABLE orders (id int)');
    await place.query(
      `GRANT SELECT, INSERT ON orders TO ${quoteIdentifier(place.admin)} WITH GRANT OPTION`,
    );
    await place.query(
      `GRANT CREATE ON SCHEMA public TO ${quoteIdentifier(place.admin)} WITH GRANT OPTION`,
    );
  });
  afterAll(() => place.close());

  const options = {
    roles: {
      readonly: { creation: [CREATE, 'GRANT SELECT ON public.orders TO {{name}}'] },
      maker: {
        creation: [
          `CREATE USER "{{name}}" PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'`,
          'GRANT CREATE ON SCHEMA public TO "{{name}}"',
        ],
        revocation: ['REVOKE CREATE ON SCHEMA public FROM {{name}}'],
      },
      broken: { creation: [CREATE, 'GRANT SELECT ON public.no_such_table TO {{name}}'] },
    },
  };
  const provider = async () =>
    postgresAt('payments-db', await place.connect(), { clock: systemClock }).provider.mount(
      options,
    );

  /** Names of roles belong to the server: intents that are numbered from one meet those of another run. */
  const ofThisRun = async () => {
    const made = await provider();
    const { credentials } = made;
    const begin = credentials!.begin.bind(credentials);
    credentials!.begin = (request) => begin({ ...request, intentId: `${request.intentId}_${run}` });
    return made;
  };

  /** Roles of this run, whose name is in their intents: other suites share the server. */
  const live = async (): Promise<readonly string[]> => {
    const rows = await place.query(
      "SELECT rolname FROM pg_roles WHERE rolname LIKE 'qm-%' AND position($1 in rolname) > 0",
      [run],
    );
    return rows.map(([name]) => name as string);
  };
  const settled = (expected: number) =>
    until(`${expected} roles are left`, async () => (await live()).length === expected);

  const begin = async (set: string, ttlSeconds = 300) => {
    intents += 1;
    const made = await provider();
    const credentials = made.credentials!;
    const handle = credentials.begin({
      intentId: `cred_${run}x${intents}`,
      locator: made.locate(set),
      workload,
      ttlSeconds,
      ref: undefined,
    });
    return { credentials, handle };
  };
  const issue = async (set: string, ttlSeconds?: number) => {
    const { credentials, handle } = await begin(set, ttlSeconds);
    const issued = await credentials.issue(
      await credentials.prepare(handle, contextOf()),
      contextOf(),
    );
    const { username, password } = issued.data as { username: string; password: string };
    return { credentials, issued, username, password };
  };

  dynamicCredentialsContract(
    'PostgreSQL',
    async () => ({
      provider: await ofThisRun(),
      restart: ofThisRun,
      path: 'readonly',
      ref: undefined,
      live,
      works: (data) => place.logsIn(data['username'] as string, data['password'] as string),
      settled,
      close: () => Promise.resolve(),
    }),
    { resumable: true },
  );

  describe('a role', () => {
    it('has the rights of its statements, and the name of its workload', async () => {
      const { credentials, issued, username, password } = await issue('readonly');
      expect(username).toMatch(/^qm-payments---drop-api-wi-cred_/);
      const session = await place.openSession(username, password);
      await session.query('SELECT * FROM public.orders');
      await expect(session.query('INSERT INTO public.orders VALUES (1)')).rejects.toMatchObject({
        code: '42501',
      });
      await session.end();
      await credentials.revoke(issued.handle, contextOf());
      await settled(0);
    });

    it('expires at the server too at its time, and later when it is renewed', async () => {
      const { credentials, issued, username, password } = await issue('readonly', 60);
      const end = async () => {
        const [row] = await place.query(
          'SELECT extract(epoch FROM rolvaliduntil - now())::float8 FROM pg_roles WHERE rolname = $1',
          [username],
        );
        return row![0] as number;
      };
      expect(await end()).toBeLessThan(61);
      expect(await credentials.renew(issued.handle, 3600, contextOf())).toBe(3600);
      expect(await end()).toBeGreaterThan(3500);
      await place.query(`ALTER ROLE ${quoteIdentifier(username)} VALID UNTIL '2020-01-01'`);
      expect(await place.logsIn(username, password)).toBe(false);
      await credentials.revoke(issued.handle, contextOf());
    });

    it('is revoked with its sessions, and kept while it owns something that no heir gets', async () => {
      const { credentials, issued, username, password } = await issue('maker');
      const session = await place.openSession(username, password);
      await session.query('CREATE TABLE public.left_behind (id int)');
      const ended = new Promise((resolve) => session.once('end', resolve));
      const error = await failureOf(credentials.revoke(issued.handle, contextOf()));
      expect(error).toMatchObject({ code: 'ERR_CONFLICT', reason: 'owns_objects' });
      await ended;
      expect(await place.logsIn(username, password)).toBe(false);
      const renewing = credentials.renew(issued.handle, 60, contextOf());
      expect((await failureOf(renewing)).code).toBe('ERR_NOT_FOUND');
      await place.query('DROP TABLE public.left_behind');
      await credentials.revoke(issued.handle, contextOf());
      await settled(0);
    });

    it('is not created when one of its statements fails', async () => {
      const { credentials, handle } = await begin('broken');
      const prepared = await credentials.prepare(handle, contextOf());
      const error = await failureOf(credentials.issue(prepared, contextOf()));
      expect(error).toMatchObject({ code: 'ERR_PROVIDER_FAILED', reason: 'refused' });
      await credentials.revoke(prepared, contextOf());
      await settled(0);
    });

    it('is prepared once by two attempts', async () => {
      const { credentials, handle } = await begin('readonly');
      await credentials.prepare(handle, contextOf());
      await credentials.prepare(handle, contextOf());
      await settled(1);
      await credentials.revoke(handle, contextOf());
      await settled(0);
    });

    it('is revoked only after an attempt in progress has ended', async () => {
      const { credentials, handle } = await begin('readonly');
      const prepared = await credentials.prepare(handle, contextOf());
      const outcomes = await Promise.allSettled([
        credentials.issue(prepared, contextOf()),
        credentials.revoke(prepared, contextOf()),
      ]);
      expect(outcomes[1].status).toBe('fulfilled');
      await credentials.revoke(prepared, contextOf());
      await settled(0);
    });
  });

  it('names its places, and lists them', async () => {
    const made = await provider();
    expect(made.locate('readonly')).toBe('credentials/readonly');
    expect(made.locate('anything', { role: 'maker' })).toBe('credentials/maker');
    expect(() => made.locate('absent')).toThrow(
      expect.objectContaining({ code: 'ERR_PATH_INVALID' }),
    );
    expect(() => made.locate('x', { role: 'absent' })).toThrow(
      expect.objectContaining({ code: 'ERR_BODY_INVALID' }),
    );
    const first = await made.list('', { limit: 2 }, contextOf());
    expect(first).toEqual({ items: [{ name: 'broken' }, { name: 'maker' }], next: 'maker' });
    const rest = await made.list('', { limit: 2, after: 'maker' }, contextOf());
    expect(rest).toEqual({ items: [{ name: 'readonly' }], next: undefined });
    const reading = made.read('credentials/readonly', undefined, contextOf());
    expect((await failureOf(reading)).code).toBe('ERR_NOT_FOUND');
  });

  it('reports in its check whether the heir is suitable', async () => {
    const heir = uniqueName('heir');
    const { provider: connection } = postgresAt('db', await place.connect(), {
      clock: systemClock,
    });
    const made = connection.mount({ ...options, heir });
    const findings = async () => {
      const report = await made.check(contextOf());
      return { healthy: report.healthy, text: report.findings.join('\n') };
    };
    expect(await findings()).toMatchObject({ healthy: false });
    await place.query(`CREATE ROLE "${heir}" NOLOGIN`);
    expect(await findings()).toMatchObject({ healthy: true });
    await place.query(`ALTER ROLE "${heir}" CREATEROLE LOGIN`);
    const unfit = await findings();
    expect(unfit.healthy).toBe(false);
    expect(unfit.text).toContain(`heir "${heir}" has CREATEROLE, LOGIN`);
    await place.query(`ALTER ROLE "${heir}" NOCREATEROLE NOLOGIN`);
    await place.query(`GRANT SELECT ON public.orders TO "${heir}"`);
    expect((await findings()).text).toContain('has rights on 1 objects');
    await place.query(`REVOKE ALL ON public.orders FROM "${heir}"`);
    await place.query(`DROP ROLE "${heir}"`);
  });

  it('refuses a mount that makes its roles members of the heir', async () => {
    const { provider: connection } = postgresAt('db', await place.connect(), {
      clock: systemClock,
    });
    const roles = { rw: { creation: [CREATE, 'GRANT "the-heir" TO {{name}}'] } };
    expect(() => connection.mount({ heir: 'the-heir', roles })).toThrow(
      expect.objectContaining({ code: 'ERR_BODY_INVALID' }),
    );
    expect(() => connection.mount({ heir: 'pg_monitor', roles })).toThrow(
      expect.objectContaining({ code: 'ERR_BODY_INVALID' }),
    );
  });

  it('reports the missing rights of its administrator', async () => {
    const made = await provider();
    const well = await made.check(contextOf());
    expect(well.healthy).toBe(true);
    expect(well.findings).toContain(`${place.host}:${place.port}: logs in`);
    const own = quoteIdentifier(place.admin);
    await place.query(`REVOKE pg_signal_backend FROM ${own}`);
    await place.query(`ALTER ROLE ${own} NOCREATEROLE`);
    const { healthy, findings } = await made.check(contextOf());
    await place.query(`ALTER ROLE ${own} CREATEROLE`);
    await place.query(`GRANT pg_signal_backend TO ${own}`);
    expect(healthy).toBe(false);
    expect(findings.join('\n')).toContain('CREATEROLE');
    expect(findings.join('\n')).toContain('pg_signal_backend');
  });
});
