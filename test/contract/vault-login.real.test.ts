import { inspect } from 'node:util';
import { writeFile } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, expect, it } from '@jest/globals';
import { systemClock } from '../../src/process/clock.ts';
import type { Clock } from '../../src/ports/clock.ts';
import { vaultServerSchema } from '../../src/providers/vault/config.ts';
import { connectVault, type VaultClient } from '../../src/providers/vault/client/client.ts';
import { describeWith } from '../kit/backends/backends.ts';
import { openBaoRequest } from '../kit/backends/openbao-calls.ts';
import { until } from '../kit/backends/until.ts';
import { HandClock } from '../kit/time/hand-clock.ts';
import { VaultConnections } from '../kit/providers/vault-connections.ts';
import { contextOf, failureOf } from './secret-provider.contract.ts';
import { vaultLogins, type VaultLogins } from '../kit/providers/vault-login-fixture.ts';

const METHODS = ['approle', 'kubernetes', 'jwt'] as const;
type Method = (typeof METHODS)[number];

interface OwnToken {
  readonly accessor: string;
  readonly path: string;
  readonly last_renewal?: string;
}

describeWith(['openbao', 'kube'], 'the login of the broker at OpenBao', ({ openbao, kube }) => {
  let logins: VaultLogins;
  let files: VaultConnections;
  const clients: VaultClient[] = [];

  beforeAll(async () => {
    files = await VaultConnections.create();
    logins = await vaultLogins(openbao, kube);
  });
  afterEach(async () => {
    await Promise.all(clients.splice(0).map((client) => client.close()));
  });
  afterAll(async () => {
    await files.close();
    await logins.close();
  });

  async function connect(
    auth: Readonly<Record<string, unknown>>,
    clock: Clock,
  ): Promise<VaultClient> {
    const server = vaultServerSchema.parse({ address: openbao.address, auth });
    const client = await connectVault(server, { clock, connection: 'vault', random: () => 0 });
    clients.push(client);
    return client;
  }
  const connectBy = async (method: Method, clock: Clock = new HandClock()): Promise<VaultClient> =>
    connect(logins[method].auth(await files.file(logins[method].right)), clock);
  const read = (client: VaultClient): Promise<unknown> =>
    client.read({ method: 'GET', path: `secret/data/${logins.folder}/db` }, contextOf());
  const own = async (client: VaultClient): Promise<OwnToken> => {
    const request = { method: 'GET', path: 'auth/token/lookup-self' } as const;
    return ((await client.read(request, contextOf())) as { data: OwnToken }).data;
  };

  it.each(METHODS)('gives a token that reads: %s', async (method) => {
    const { auth, mount, right } = logins[method];
    const connection = await files.connect(openbao.address, '', {
      auth: auth(await files.file(`${right}\n`)),
    });
    const provider = connection.mount({ engine: 'kv-v2', path: 'secret', root: logins.folder });
    const secret = await provider.read(provider.locate('db'), undefined, contextOf());
    expect(secret.data).toEqual({ password: 'p' });
    expect((await own(connection.client)).path).toBe(`auth/${mount}/login`);
  });

  it.each(METHODS)('gives a token that is renewed: %s', async (method) => {
    const clock = new HandClock();
    const client = await connectBy(method, clock);
    const first = await own(client);
    expect(first.last_renewal).toBeUndefined();
    clock.advance(400_000);
    await until('the renewal', async () => (await own(client)).last_renewal !== undefined);
    expect((await own(client)).accessor).toBe(first.accessor);
  });

  it('is repeated if the policies of the role let no token renew itself', async () => {
    const { auth, right, setRole } = logins.approle;
    await setRole({ token_no_default_policy: true });
    const clock = new HandClock();
    const client = await connect(auth(await files.file(right)), clock);
    const first = await own(client);
    clock.advance(400_000);
    await until('a second token', async () => (await own(client)).accessor !== first.accessor);
    await setRole({ token_no_default_policy: false });
  });

  it('is repeated when a token nears its maximum lifetime, and no call is affected', async () => {
    const times = { token_ttl: '10s', token_max_ttl: '16s' };
    for (const method of METHODS) await logins[method].setRole(times);
    await Promise.all(
      METHODS.map(async (method) => {
        const client = await connectBy(method, systemClock);
        const first = await own(client);
        await until(`a second token by ${method}`, async () => {
          await read(client);
          return (await own(client)).accessor !== first.accessor;
        });
      }),
    );
    for (const method of METHODS) await logins[method].setRole({});
  });

  it.each(METHODS)('is revoked when the connection closes: %s', async (method) => {
    const client = await connectBy(method);
    const { accessor } = await own(client);
    const look = async (): Promise<number> =>
      (await openBaoRequest(openbao, 'POST', 'auth/token/lookup-accessor', { accessor })).status;
    expect(await look()).toBe(200);
    await client.close();
    expect(await look()).toBe(400);
  });

  it.each(METHODS)('is refused with a wrong credential, and reveals none: %s', async (method) => {
    const { auth, wrong } = logins[method];
    for (const [what, credential] of Object.entries(wrong)) {
      const client = await connect(auth(await files.file(credential)), new HandClock());
      const error = await failureOf(read(client));
      expect([what, error.code, error.reason]).toEqual([
        what,
        'ERR_PROVIDER_DENIED',
        'login_refused',
      ]);
      expect(inspect(error, { depth: Infinity, showHidden: true })).not.toContain(credential);
    }
  });

  it.each(METHODS)('is refused for another role, and at another mount: %s', async (method) => {
    const { auth, right } = logins[method];
    const file = await files.file(right);
    for (const wrong of [auth(file, 'unknown'), { ...auth(file), mount: 'nowhere' }]) {
      const error = await failureOf(read(await connect(wrong, new HandClock())));
      expect(error).toMatchObject({ code: 'ERR_PROVIDER_DENIED', reason: 'login_refused' });
      expect(inspect(error, { depth: Infinity, showHidden: true })).not.toContain(right);
    }
  });

  it.each(METHODS)('succeeds as soon as the file has the right credential: %s', async (method) => {
    const { auth, right, wrong } = logins[method];
    const file = await files.file(Object.values(wrong)[0]!);
    const clock = new HandClock();
    const client = await connect(auth(file), clock);
    await failureOf(read(client));
    await writeFile(file, right);
    clock.advance(1000);
    await expect(read(client)).resolves.toBeDefined();
  });

  it('is refused while the server cannot reach the API server, and succeeds afterwards', async () => {
    const clock = new HandClock();
    const client = await connectBy('kubernetes', clock);
    await logins.setApiServer('https://127.0.0.1:9');
    expect(await failureOf(read(client))).toMatchObject({
      code: 'ERR_PROVIDER_DENIED',
      reason: 'login_refused',
    });
    await logins.setApiServer(kube.server);
    clock.advance(1000);
    await expect(read(client)).resolves.toBeDefined();
  });
});
