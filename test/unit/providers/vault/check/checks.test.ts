import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { freePort } from '../../../../kit/backends/free-port.ts';
import { contextOf } from '../../../../contract/secret-provider.contract.ts';
import { FakeVault } from '../../../../kit/fakes/fake-vault.ts';
import { VaultConnections } from '../../../../kit/providers/vault-connections.ts';

let vault: FakeVault;
let connections: VaultConnections;

beforeEach(async () => {
  vault = await FakeVault.start();
  connections = await VaultConnections.create();
});
afterEach(async () => {
  await connections.close();
  await vault.close();
});

const check = async (more: Readonly<Record<string, unknown>> = {}, address = vault.address) => {
  const connection = await connections.connect(address, 's.broker', more);
  const report = await connection.check(contextOf());
  return { healthy: report.healthy, text: report.findings.join('\n') };
};

describe('the check of a connection', () => {
  it('passes for a server that serves and accepts the token', async () => {
    expect(await check()).toEqual({
      healthy: true,
      text: 'GET sys/health: version 1.20.0, serving\nGET auth/token/lookup-self: accepted for 3600 s more',
    });
  });

  it('reports a token that never expires', async () => {
    vault.addToken('s.broker', 0);
    const { healthy, text } = await check();
    expect(healthy).toBe(true);
    expect(text).toContain('never ends');
  });

  it('reports a sealed and an uninitialised server', async () => {
    vault.sealed = true;
    const { healthy, text } = await check();
    expect(healthy).toBe(false);
    expect(text).toContain('unseal it');
    vault.fault = () => ({ status: 200, body: { initialized: false, sealed: true, version: '1' } });
    expect((await check()).text).toContain('not initialised');
  });

  it('reports that another kind of server answers', async () => {
    vault.fault = () => ({ status: 200, body: { hello: 'world' } });
    expect((await check()).text).toContain('this is not a Vault or OpenBao');
  });

  it('reports that no server listens', async () => {
    const { healthy, text } = await check({}, `http://127.0.0.1:${await freePort()}`);
    expect(healthy).toBe(false);
    expect(text).toMatch(/ECONNREFUSED.*check `address`/);
  });

  it('reports a missing credential file', async () => {
    const { text } = await check({ auth: { method: 'token', tokenFile: '/nonexistent/token' } });
    expect(text).toMatch(/cannot be read.*check the file that `auth` names/);
  });

  it('reports a refused login', async () => {
    const secretIdFile = await connections.file('wrong');
    const { text } = await check({ auth: { method: 'approle', roleId: 'r', secretIdFile } });
    expect(text).toMatch(/login of the broker was refused.*mount, role and credential/);
  });

  it('repeats neither token nor credential nor text of the server', async () => {
    vault.fault = () => ({ status: 403, body: { errors: ['permission denied for s.broker'] } });
    const { text } = await check();
    expect(text).not.toContain('s.broker');
    expect(text).not.toContain('permission denied');
  });
});

describe('the check of a mount', () => {
  const checkMount = async (options: unknown) => {
    const connection = await connections.connect(vault.address, 's.broker');
    const report = await connection.mount(options).check(contextOf());
    return { healthy: report.healthy, text: report.findings.join('\n') };
  };

  it('reports which capability is missing on which path', async () => {
    vault.fault = ({ target }) =>
      target.includes('/metadata/') ? { status: 403, body: { errors: [] } } : undefined;
    const { healthy, text } = await checkMount({ engine: 'kv-v2', path: 'secret', root: 'team' });
    expect(healthy).toBe(false);
    expect(text).toContain('read secret/data/team/quaymaster-check: allowed');
    expect(text).toContain('grant the broker `list` on secret/metadata/team/');
  });

  it('reports the actual type of the engine', async () => {
    expect((await checkMount({ engine: 'kv-v2', path: 'old' })).text).toContain(
      'it is kv-v1; the mount says kv-v2',
    );
  });

  it('reports each missing right of dynamic credentials', async () => {
    vault.fault = ({ target, body }) => {
      if (!target.includes('capabilities-self')) return undefined;
      const paths = body['paths'] as string[];
      const held = paths.map((path) => [path, path.startsWith('sys/') ? ['deny'] : ['update']]);
      return { status: 200, body: { data: Object.fromEntries(held) as unknown } };
    };
    const { healthy, text } = await checkMount({ engine: 'dynamic', path: 'db', tokenRole: 'r' });
    expect(healthy).toBe(false);
    expect(text).toContain('sys/leases/renew: not allowed');
    expect(text).toContain('sys/leases/revoke: not allowed');
    expect(text).not.toContain('auth/token/create/r: not allowed');
  });

  it('reports that it cannot check without permission', async () => {
    vault.fault = ({ target }) =>
      target.includes('capabilities-self') ? { status: 403 } : undefined;
    const { healthy, text } = await checkMount({ engine: 'dynamic', path: 'db', tokenRole: 'r' });
    expect(healthy).toBe(false);
    expect(text).toContain('or nothing can be said');
  });

  it.each([
    [{ orphan: false }, 'set orphan=true'],
    [{ renewable: false }, 'set renewable=true'],
    [{ token_type: 'default-batch' }, 'set token_type=service'],
    [{ token_explicit_max_ttl: 0 }, 'set token_explicit_max_ttl'],
    [{ allowed_policies: [] }, 'set allowed_policies'],
  ])('reports the problem of a token role of %j', async (fault, remedy) => {
    vault.tokenRole = { ...vault.tokenRole, ...fault };
    const { healthy, text } = await checkMount({ engine: 'dynamic', path: 'db', tokenRole: 'r' });
    expect(healthy).toBe(false);
    expect(text).toContain(remedy);
  });
});
