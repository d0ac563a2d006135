import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { describeWith } from '../kit/backends/backends.ts';
import type { OpenBao } from '../kit/backends/openbao.ts';
import {
  createToken,
  mountEngine,
  openBaoCall,
  openBaoRequest,
} from '../kit/backends/openbao-calls.ts';
import type { Postgres } from '../kit/backends/postgres.ts';
import { uniqueName } from '../kit/backends/unique-name.ts';
import { until } from '../kit/backends/until.ts';
import { VaultConnections } from '../kit/providers/vault-connections.ts';
import { kvV1Policy, kvV2Policy } from '../kit/providers/vault-policies.ts';
import {
  dynamicCredentialsContract,
  type CredentialsFixture,
} from './dynamic-credentials.contract.ts';
import { dynamicMount } from '../kit/providers/dynamic-mount.ts';
import {
  contextOf,
  failureOf,
  secretProviderContract,
  type ProviderFixture,
} from './secret-provider.contract.ts';

async function kvFixture(bao: OpenBao, engine: 'kv-v1' | 'kv-v2'): Promise<ProviderFixture> {
  const path = await mountEngine(bao, 'kv', {
    options: { version: engine === 'kv-v2' ? '2' : '1' },
  });
  if (engine === 'kv-v2') {
    await until('KV v2 ready', async () => {
      return (await openBaoRequest(bao, 'GET', `${path}/config`)).status === 200;
    });
  }
  const connections = await VaultConnections.create();
  const policy = engine === 'kv-v2' ? kvV2Policy(path, 'team') : kvV1Policy(path, 'team');
  const options = { engine, path, root: 'team' };
  const mount = async (token: string) =>
    (await connections.connect(bao.address, token)).mount(options);
  const data = engine === 'kv-v2' ? `${path}/data/team` : `${path}/team`;
  return {
    provider: await mount(await createToken(bao, policy)),
    denied: await mount(await createToken(bao, 'path "nothing" { capabilities = ["read"] }')),
    put: async (name, value) => {
      const body = engine === 'kv-v2' ? { data: value } : value;
      await openBaoCall(bao, 'POST', `${data}/${name}`, body);
    },
    remove: async (name) => {
      await openBaoCall(bao, 'DELETE', `${data}/${name}`);
    },
    close: async () => {
      await connections.close();
      await openBaoCall(bao, 'DELETE', `sys/mounts/${path}`);
    },
  };
}

interface DatabaseFixture extends CredentialsFixture {
  /** Reports whether the database is working on the role `slow`. */
  isSlowRunning(): Promise<boolean>;
}

/** A database engine over a real PostgreSQL, a token role and a broker token as docs/providers/vault.md sets them up. */
async function databaseFixture(bao: OpenBao, postgres: Postgres): Promise<DatabaseFixture> {
  const engine = await mountEngine(bao, 'database');
  const admin = new URL(postgres.adminConnectionString);
  await openBaoCall(bao, 'POST', `${engine}/config/pg`, {
    plugin_name: 'postgresql-database-plugin',
    connection_url: `postgres://{{username}}:{{password}}@${admin.host}/postgres?sslmode=disable`,
    allowed_roles: ['readonly', 'slow'],
    username: admin.username,
    password: admin.password,
  });
  const prefix = uniqueName('qm').replaceAll('-', '_');
  const statements = [
    `CREATE ROLE "{{name}}" WITH LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'`,
    `COMMENT ON ROLE "{{name}}" IS '${prefix}'`,
  ];
  const times = { db_name: 'pg', default_ttl: '10m', max_ttl: '1h' };
  const slow = [...statements, `SELECT pg_sleep(3) AS ${prefix}`];
  for (const [role, creation] of Object.entries({ readonly: statements, slow })) {
    const body = { ...times, creation_statements: creation };
    await openBaoCall(bao, 'POST', `${engine}/roles/${role}`, body);
  }
  const { mount, close } = await dynamicMount(bao, engine, ['readonly', 'slow']);
  const database = new pg.Client({ connectionString: postgres.adminConnectionString });
  await database.connect();
  const live = async () => {
    const keys: string[] = [];
    for (const role of ['readonly', 'slow']) {
      const path = `sys/leases/lookup/${engine}/creds/${role}`;
      const { body } = await openBaoRequest(bao, 'LIST', path);
      keys.push(...((body as { data?: { keys?: string[] } }).data?.keys ?? []));
    }
    const roles = await database.query<{ rolname: string }>(
      "SELECT rolname FROM pg_roles JOIN pg_shdescription ON objoid = pg_roles.oid AND classoid = 'pg_authid'::regclass WHERE description = $1",
      [prefix],
    );
    // A user without a lease would never expire; a lease without a user is still being cleaned up.
    return keys.length > roles.rows.length ? keys : roles.rows.map((row) => row.rolname);
  };
  return {
    isSlowRunning: async () => {
      const running = await database.query(
        "SELECT FROM pg_stat_activity WHERE state = 'active' AND query LIKE $1 AND pid <> pg_backend_pid()",
        [`SELECT pg_sleep(3) AS ${prefix}%`],
      );
      return running.rowCount !== 0;
    },
    provider: await mount(),
    restart: mount,
    path: 'readonly',
    ref: { path: `${engine}/creds/readonly` },
    live,
    works: async (data) => {
      const client = new pg.Client({
        host: admin.hostname,
        port: Number(admin.port),
        database: 'postgres',
        user: String(data['username']),
        password: String(data['password']),
      });
      try {
        await client.connect();
        await client.query('SELECT 1');
        return true;
      } catch {
        return false;
      } finally {
        await client.end().catch(() => undefined);
      }
    },
    settled: async (expected) => {
      await until(`${expected} live credentials`, async () => (await live()).length === expected);
      expect(await live()).toHaveLength(expected);
    },
    close: async () => {
      await database.end();
      await close();
    },
  };
}

describeWith(['openbao', 'postgres'], 'OpenBao', ({ openbao, postgres }) => {
  secretProviderContract('OpenBao KV v2', () => kvFixture(openbao, 'kv-v2'));
  secretProviderContract('OpenBao KV v1', () => kvFixture(openbao, 'kv-v1'), { unversioned: true });
  dynamicCredentialsContract('OpenBao with PostgreSQL', () => databaseFixture(openbao, postgres));

  describe('a dynamic mount at a real server', () => {
    let fixture: DatabaseFixture;
    beforeAll(async () => {
      fixture = await databaseFixture(openbao, postgres);
    });
    afterAll(() => fixture.close());

    it('passes its check when set up as the documentation says', async () => {
      const report = await fixture.provider.check(contextOf());
      expect(report.findings).toEqual([
        expect.stringMatching(/^token role .*: orphan tokens that end$/),
        'tokens and leases: may be made, extended and revoked',
      ]);
      expect(report.healthy).toBe(true);
    });

    it('reports the problem of a token role', async () => {
      const connections = await VaultConnections.create();
      const role = uniqueName('role');
      await openBaoCall(openbao, 'POST', `auth/token/roles/${role}`, { renewable: false });
      const connection = await connections.connect(openbao.address, openbao.rootToken);
      const check = async (tokenRole: string) =>
        connection.mount({ engine: 'dynamic', path: 'db', tokenRole }).check(contextOf());
      expect((await check(role)).findings.join('\n')).toMatch(
        /orphan=true[^]*renewable=true[^]*token_explicit_max_ttl[^]*allowed_policies/,
      );
      const missing = await check(`${role}-missing`);
      expect(missing.healthy).toBe(false);
      expect(missing.findings[0]).toContain('create the token role');
      await connections.close();
    });

    it('leaves nothing when the caller aborts while the database still works', async () => {
      const credentials = fixture.provider.credentials!;
      const handle = credentials.begin({
        intentId: uniqueName('int'),
        locator: fixture.provider.locate('slow'),
        workload: { cluster: 'c', namespace: 'n', serviceAccount: 's', serviceAccountUid: 'u' },
        ttlSeconds: 60,
        ref: undefined,
      });
      const prepared = await credentials.prepare(handle, contextOf());
      const caller = new AbortController();
      const issuing = failureOf(credentials.issue(prepared, contextOf(caller.signal)));
      await until('the database at work', () => fixture.isSlowRunning());
      caller.abort();
      expect((await issuing).code).toBe('ERR_PROVIDER_TIMEOUT');
      await credentials.revoke(prepared, contextOf());
      await until('the database at rest', async () => !(await fixture.isSlowRunning()));
      await fixture.settled(0);
    });

    it('reports that the policies of the token role do not reach the endpoint', async () => {
      const credentials = fixture.provider.credentials!;
      const handle = credentials.begin({
        intentId: uniqueName('int'),
        locator: fixture.provider.locate('unknown'),
        workload: { cluster: 'c', namespace: 'n', serviceAccount: 's', serviceAccountUid: 'u' },
        ttlSeconds: 60,
        ref: undefined,
      });
      const prepared = await credentials.prepare(handle, contextOf());
      const error = await failureOf(credentials.issue(prepared, contextOf()));
      expect(error.code).toBe('ERR_PROVIDER_DENIED');
      await credentials.revoke(prepared, contextOf());
    });
  });

  describe('a forged handle in the database', () => {
    let fixture: DatabaseFixture;
    beforeAll(async () => {
      fixture = await databaseFixture(openbao, postgres);
    });
    afterAll(() => fixture.close());

    const base = { v: 1, intent: 'int_forged', method: 'GET', ttl: 60 };
    const isAlive = async (accessor: string): Promise<boolean> => {
      const answer = await openBaoRequest(openbao, 'POST', 'auth/token/lookup-accessor', {
        accessor,
      });
      return answer.status === 200;
    };

    it("does not make the broker revoke another owner's token (C14)", async () => {
      const created = (await openBaoCall(openbao, 'POST', 'auth/token/create', {
        policies: ['default'],
      })) as { auth: { accessor: string } };
      const { accessor } = created.auth;
      const { path } = fixture.ref as { path: string };
      const handle = JSON.stringify({ ...base, path, accessor });
      const error = await failureOf(fixture.provider.credentials!.revoke(handle, contextOf()));
      expect(error).toMatchObject({ code: 'ERR_DENIED', reason: 'out_of_bounds' });
      expect(await isAlive(accessor)).toBe(true);
    });

    it.each<[string, (path: string) => object]>([
      ['a lease of another mount', (path) => ({ path, lease: 'pki/issue/other-team/AbCd' })],
      ['a lease of another role', (path) => ({ path, lease: `${path}-admin/AbCd` })],
      ['all leases of its path', (path) => ({ path, lease: `${path}/` })],
      ['a lease below its path', (path) => ({ path, lease: `${path}/admin/AbCd` })],
      ['a lease by a relative path', (path) => ({ path, lease: `${path}/../admin/AbCd` })],
      ['a lease by an encoded path', (path) => ({ path, lease: `${path}/%2e%2e/admin/AbCd` })],
      ['a lease with a line break', (path) => ({ path, lease: `${path}/AbCd\n` })],
      ['a lease in another case', (path) => ({ path, lease: `${path.toUpperCase()}/AbCd` })],
      [
        'a path of another mount',
        () => ({ path: 'pki/issue/other-team', lease: 'pki/issue/other-team/AbCd' }),
      ],
      [
        'a relative path',
        (path) => ({ path: `${path}/../../../sys/leases`, lease: `${path}/AbCd` }),
      ],
      [
        'a relative path that is encoded',
        (path) => {
          const up = `${path}/../../../pki/issue/other-team`;
          return { path: up.replaceAll('..', '%2e%2e'), lease: `${up}/AbCd` };
        },
      ],
      [
        'a path with encoded slashes',
        (path) => ({ path: `${path}%2fadmin`, lease: `${path}/admin/AbCd` }),
      ],
      ['a path that cannot be decoded', (path) => ({ path: `${path}%`, lease: `${path}%/AbCd` })],
      ['a path with a query', (path) => ({ path: `${path}?force=true`, lease: `${path}/AbCd` })],
    ])('does not make the broker revoke %s (C14)', async (_what, forged) => {
      const { path } = fixture.ref as { path: string };
      const handle = JSON.stringify({ ...base, accessor: 'any', ...forged(path) });
      const { credentials } = fixture.provider;
      for (const work of [
        credentials!.revoke(handle, contextOf()),
        credentials!.renew(handle, 60, contextOf()),
        credentials!.prepare(handle, contextOf()),
        credentials!.issue(handle, contextOf()),
      ]) {
        const failure = await failureOf(work);
        expect(failure).toMatchObject({ code: 'ERR_DENIED', reason: 'out_of_bounds' });
      }
    });
  });

  describe('a connection to a real server', () => {
    it('reports the version and the lifetime of its token', async () => {
      const connections = await VaultConnections.create();
      const token = await createToken(openbao, kvV2Policy('secret', 'app'), {
        no_default_policy: false,
        ttl: '1h',
      });
      const connection = await connections.connect(openbao.address, token);
      const report = await connection.check(contextOf());
      expect(report.healthy).toBe(true);
      expect(report.findings.join('\n')).toMatch(/version 2\.\d+\.\d+[^]*accepted for \d+ s more/);
      await connections.close();
    });

    it('reports that its token is refused', async () => {
      const connections = await VaultConnections.create();
      const connection = await connections.connect(openbao.address, 's.unknown');
      const report = await connection.check(contextOf());
      expect(report.healthy).toBe(false);
      expect(report.findings.join('\n')).toContain('status 403');
      await connections.close();
    });

    it('reports that the type of the engine is not that of the mount', async () => {
      const connections = await VaultConnections.create();
      const connection = await connections.connect(openbao.address, openbao.rootToken);
      const report = await connection.mount({ engine: 'kv-v1', path: 'secret' }).check(contextOf());
      expect(report.healthy).toBe(false);
      expect(report.findings.join('\n')).toContain('it is kv-v2; the mount says kv-v1');
      const none = await connection.mount({ engine: 'kv-v2', path: 'nowhere' }).check(contextOf());
      expect(none.healthy).toBe(false);
      await connections.close();
    });
  });
});
