import { afterEach, expect, it } from '@jest/globals';
import type { Serving } from '../../src/program/serving/serve.ts';
import { vaultCall, type VaultAnswer, type VaultCall } from '../kit/api/vault-call.ts';
import { freePort } from '../kit/backends/free-port.ts';
import { AttackedInstallation } from '../kit/log/attacked-installation.ts';

let own: AttackedInstallation | undefined;
let serving: Serving | undefined;

afterEach(async () => {
  await serving?.stop('test');
  await own?.remove();
});

it('serves no secret, login or list of a held store, and its health is 503', async () => {
  const port = await freePort();
  own = await AttackedInstallation.make(() => ({
    vaultApi: {
      listener: { port },
      mounts: { secret: { engine: 'kv-v2' } },
      auth: { kubernetes: { cluster: 'c1' } },
    },
  }));
  const token = await own.init();
  const call = (method: string, path: string, more: VaultCall = {}): Promise<VaultAnswer> =>
    vaultCall(port, method, path, { token, ...more });
  serving = await own.serve();
  expect((await call('GET', 'auth/token/lookup-self')).status).toBe(200);
  expect((await call('GET', 'sys/health')).status).toBe(200);
  await serving.stop('test');
  own.emptyLogTables();

  serving = await own.serve();
  expect(serving.broker.unready()).toContain('ERR_HELD');
  const every = 'activecode=299&sealedcode=299&standbyok=true';
  expect((await call('GET', `sys/health?${every}`)).status).toBe(503);
  for (const [method, path, more] of [
    ['GET', 'secret/data/app/db', {}],
    ['GET', 'secret/metadata?list=true', {}],
    ['PUT', 'secret/data/app/db', { body: { data: { k: 'v' } } }],
    ['GET', 'auth/token/lookup-self', {}],
    ['PUT', 'auth/kubernetes/login', { body: { jwt: 'a.b.c' } }],
    ['PUT', 'sys/leases/revoke-prefix/secret/creds/x', { body: {} }],
    ['PUT', 'sys/wrapping/unwrap', { body: { token: 'qmw_x' } }],
  ] as const) {
    const { status, body } = await call(method, path, more);
    expect([path, status, Object.keys(body as object)]).toEqual([path, 503, ['errors']]);
  }
});
