import { expect, it } from '@jest/globals';
import pg from 'pg';
import type { SecretData } from '../../src/domain/secret.ts';
import { staticRoleOptions } from '../../src/rotation/vault/config.ts';
import { connectVaultRotation } from '../../src/rotation/vault/connection.ts';
import { describeWith } from '../backends/backends.ts';
import { createToken, mountEngine, openBaoCall } from '../backends/openbao-calls.ts';
import type { OpenBao } from '../backends/openbao.ts';
import type { Postgres } from '../backends/postgres.ts';
import { uniqueName } from '../backends/unique-name.ts';
import { VaultConnections } from '../support/vault-connections.ts';
import {
  CARRIED,
  rotationTargetContract,
  turnOf,
  type RotationFixture,
} from './rotation-target.contract.ts';
import { contextOf, failureOf } from './secret-provider.contract.ts';

/** What docs/rotators/vault.md tells operators to allow, and nothing else. */
const policy = (engine: string): string => `
path "${engine}/static-creds/app" { capabilities = ["read"] }
path "${engine}/rotate-role/app" { capabilities = ["update"] }`;

interface StaticRoleFixture extends RotationFixture {
  readonly engine: string;
}

/** A static role of the database engine over a real PostgreSQL. */
async function staticRole(bao: OpenBao, postgres: Postgres): Promise<StaticRoleFixture> {
  const engine = await mountEngine(bao, 'database');
  const admin = new URL(postgres.adminConnectionString);
  const database = new pg.Client({ connectionString: postgres.adminConnectionString });
  await database.connect();
  const user = uniqueName('static').replaceAll('-', '_');
  await database.query(`CREATE ROLE ${user} LOGIN PASSWORD 'before'`);
  await openBaoCall(bao, 'POST', `${engine}/config/pg`, {
    plugin_name: 'postgresql-database-plugin',
    connection_url: `postgres://{{username}}:{{password}}@${admin.host}/postgres?sslmode=disable`,
    allowed_roles: ['app'],
    username: admin.username,
    password: admin.password,
  });
  const role = { db_name: 'pg', username: user, rotation_period: '24h' };
  await openBaoCall(bao, 'POST', `${engine}/static-roles/app`, role);
  const held = (await openBaoCall(bao, 'GET', `${engine}/static-creds/app`)) as {
    data: { username: string; password: string };
  };
  const { username, password } = held.data;
  const connections = await VaultConnections.create();
  const token = await createToken(bao, policy(engine));
  const restart = async () => {
    const { client } = await connections.connect(bao.address, token);
    return connectVaultRotation('vault', client).target('static-role', { engine, role: 'app' });
  };
  const roles = async (mine: boolean): Promise<string> => {
    const { rows } = await database.query(
      `SELECT rolname, rolcanlogin, rolpassword FROM pg_authid WHERE (rolname = $1) = $2 AND ($2 OR rolname = 'postgres')`,
      [user, mine],
    );
    return JSON.stringify(rows);
  };
  return {
    engine,
    target: await restart(),
    restart,
    current: { ...CARRIED, username, password },
    async logsIn(data: SecretData) {
      const [user, password] = [data['username'] as string, data['password'] as string];
      const at = { host: admin.hostname, port: Number(admin.port), database: 'postgres' };
      const client = new pg.Client({ ...at, user, password });
      try {
        await client.connect();
        return true;
      } catch {
        return false;
      } finally {
        await client.end().catch(() => undefined);
      }
    },
    state: () => roles(true),
    bystanders: () => roles(false),
    close: async () => {
      await connections.close();
      await openBaoCall(bao, 'DELETE', `sys/mounts/${engine}`);
      await database.query(`DROP ROLE IF EXISTS ${user}`);
      await database.end();
    },
  };
}

describeWith(['openbao', 'postgres'], 'OpenBao', ({ openbao, postgres }) => {
  rotationTargetContract('a static role', () => staticRole(openbao, postgres), {
    slots: 'one',
    drillable: false,
    madeByTarget: true,
    oneWay: true,
    hostless: true,
    unnamed: true,
  });

  it('takes over what Vault made by itself, and asks for no other', async () => {
    const fixture = await staticRole(openbao, postgres);
    await openBaoCall(openbao, 'POST', `${fixture.engine}/rotate-role/app`, {});
    const before = await fixture.state();
    const pending = await fixture.target.create(turnOf(fixture.current));
    expect(await fixture.state()).toBe(before);
    expect(await fixture.logsIn(pending)).toBe(true);
    await openBaoCall(openbao, 'POST', `${fixture.engine}/rotate-role/app`, {});
    const error = await failureOf(fixture.target.set(turnOf(fixture.current), pending));
    expect(error).toMatchObject({ code: 'ERR_CONFLICT', reason: 'moved_on' });
    await fixture.close();
  });

  it('asks for nothing where the value is of another user, or the claim is lost', async () => {
    const fixture = await staticRole(openbao, postgres);
    const before = await fixture.state();
    const another = turnOf({ ...fixture.current, username: 'postgres' });
    expect(await failureOf(fixture.target.create(another))).toMatchObject({
      code: 'ERR_CONFLICT',
      reason: 'another_user',
    });
    const lost = turnOf(fixture.current, { lost: true });
    expect(await failureOf(fixture.target.create(lost))).toMatchObject({ reason: 'claim_lost' });
    expect(await fixture.state()).toBe(before);
    await fixture.target.discard(turnOf(fixture.current), fixture.current);
    expect(await fixture.logsIn(fixture.current)).toBe(true);
    await fixture.close();
  });

  it('says when Vault refuses, or has no such role', async () => {
    const connections = await VaultConnections.create();
    const connection = await connections.connect(openbao.address, openbao.rootToken);
    const rotation = connectVaultRotation('vault', connection.client);
    const absent = rotation.target('static-role', { engine: 'secret', role: 'none' });
    expect(
      (await failureOf(absent.test({ username: 'a', password: 'b' }, contextOf()))).code,
    ).toMatch(/^ERR_(?:NOT_FOUND|PROVIDER_)/);
    expect(() => rotation.target('other', {})).toThrow('not valid');
    for (const role of ['..', 'a/b', 'a?b', '']) {
      expect(staticRoleOptions.safeParse({ role }).success).toBe(false);
    }
    await connections.close();
  });
});
