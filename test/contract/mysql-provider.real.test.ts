import { expect, it } from '@jest/globals';
import mysql from 'mysql2/promise';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../src/process/clock.ts';
import type { SecretProvider } from '../../src/ports/secret-provider.ts';
import { mysqlConnectionSchema } from '../../src/providers/mysql/config.ts';
import { openMysql } from '../../src/providers/mysql/open.ts';
import { describeWith } from '../kit/backends/backends.ts';
import { uniqueName } from '../kit/backends/unique-name.ts';
import { until } from '../kit/backends/until.ts';
import { dynamicCredentialsContract } from './dynamic-credentials.contract.ts';
import { contextOf } from './secret-provider.contract.ts';
import { PATIENT } from '../kit/providers/longest-timeout.ts';

describeWith(['mariadb'], 'credentials of MariaDB', ({ mariadb }) => {
  const { host, port, username: user, password } = mariadb;
  const query = async (sql: string): Promise<string[][]> => {
    const admin = await mysql.createConnection({ host, port, user, password, rowsAsArray: true });
    const [rows] = await admin.query(sql);
    await admin.end();
    return rows as unknown as string[][];
  };
  const mount = async (
    passwordFile: string,
    creation: string,
    username = user,
  ): Promise<SecretProvider> => {
    const config = mysqlConnectionSchema.parse({
      type: 'mysql',
      host,
      port,
      username,
      passwordFile,
      locators: ['credentials/*'],
      limits: PATIENT,
    });
    const { provider: connection } = await openMysql('db', config, {
      clock: systemClock,
      connection: 'backend',
    });
    return connection.mount({ roles: { reader: { creation: [creation] } } });
  };
  const make = async () => {
    const directory = await mkdtemp(join(tmpdir(), 'quaymaster-mysql-provider-'));
    const passwordFile = join(directory, 'password');
    await writeFile(passwordFile, password, { mode: 0o600 });
    const database = uniqueName('db');
    await query(`CREATE DATABASE \`${database}\``);
    const creation = `GRANT SELECT ON \`${database}\`.* TO {{name}}`;
    const live = async (): Promise<readonly string[]> =>
      (await query(`SELECT DISTINCT User FROM mysql.db WHERE Db = '${database}'`)).flat();
    return {
      directory,
      provider: await mount(passwordFile, creation),
      restart: () => mount(passwordFile, creation),
      path: 'reader',
      ref: undefined,
      live,
      works: async (data: Readonly<Record<string, unknown>>) => {
        const login = { user: String(data['username']), password: String(data['password']) };
        return mysql
          .createConnection({ host, port, database, ...login })
          .then((connection) => connection.end())
          .then(
            () => true,
            () => false,
          );
      },
      settled: (expected: number) =>
        until('as many users as expected', async () => (await live()).length === expected),
      close: async () => {
        await query(`DROP DATABASE \`${database}\``);
        await rm(directory, { recursive: true });
      },
    };
  };
  dynamicCredentialsContract('MariaDB', make, { resumable: true });

  it('close the open connections of a revoked user', async () => {
    const fixture = await make();
    const credentials = fixture.provider.credentials!;
    const workload = { cluster: 'c', namespace: 'n', serviceAccount: 's', serviceAccountUid: 'u' };
    const request = { intentId: uniqueName('int'), workload, ttlSeconds: 60, ref: undefined };
    const handle = credentials.begin({ ...request, locator: fixture.provider.locate('reader') });
    await credentials.prepare(handle, contextOf());
    const { data } = await credentials.issue(handle, contextOf());
    const { username, password: made } = data as Readonly<Record<string, string>>;
    const login = { user: username ?? '', password: made ?? '' };
    const open = await mysql.createConnection({ host, port, ...login });
    open.on('error', () => undefined);
    await credentials.revoke(handle, contextOf());
    await expect(open.query('SELECT 1')).rejects.toThrow();
    open.destroy();
    await fixture.close();
  });

  it("are checked: the report names the missing rights of the connection's account and the GRANT for them", async () => {
    const fixture = await make();
    const name = uniqueName('broker');
    const account = `\`${name}\`@'127.0.0.1'`;
    const file = join(fixture.directory, 'password');
    const provider = await mount(file, 'GRANT SELECT ON a.* TO {{name}}', name);
    await query(`CREATE USER ${account} IDENTIFIED BY '${password}'`);
    await query(`GRANT SELECT ON mysql.* TO ${account}`);
    const bare = await provider.check(contextOf());
    expect(bare.healthy).toBe(false);
    for (const right of ['CREATE USER', 'PROCESS', 'CONNECTION ADMIN']) {
      expect(bare.findings.join('\n')).toContain(`GRANT ${right} ON *.*`);
    }
    await query(`GRANT CREATE USER, PROCESS, CONNECTION ADMIN ON *.* TO ${account}`);
    const enough = { healthy: true, findings: [`${host}:${port}: logs in, and may make users`] };
    expect(await provider.check(contextOf())).toEqual(enough);
    await query(`DROP USER ${account}`);
    await fixture.close();
  });

  it.each([
    'DROP USER {{name}}',
    'GRANT ALL ON *.* TO root',
    'GRANT SELECT ON a.* TO {{name}}; DROP DATABASE a',
    'GRANT SELECT ON a.* TO {{name}} /* {{password}} */',
  ])('refuse the statement %s when the mount is saved', async (statement) => {
    await expect(mount('/nowhere', statement)).rejects.toMatchObject({ code: 'ERR_BODY_INVALID' });
  });
});
