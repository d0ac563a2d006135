import { CreateKeyCommand, KMSClient } from '@aws-sdk/client-kms';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { describeWith } from '../kit/backends/backends.ts';
import { createToken, mountEngine, openBaoCall } from '../kit/backends/openbao-calls.ts';
import { until } from '../kit/backends/until.ts';
import { Installation } from '../kit/broker/installation.ts';
import { transitPolicy } from '../kit/providers/vault-policies.ts';

type Kek = Readonly<Record<string, unknown>>;

describeWith(['openbao', 'moto'], 'a key-encryption key', ({ openbao, moto }) => {
  let broker: Installation;
  let admin: string;
  const keks: Record<string, Kek> = {};

  beforeAll(async () => {
    const { accessKeyId, secretAccessKey, region, endpoint } = moto;
    broker = await Installation.make({
      AWS_ACCESS_KEY_ID: accessKeyId,
      AWS_SECRET_ACCESS_KEY: secretAccessKey,
    });
    const mount = await mountEngine(openbao, 'transit');
    await openBaoCall(openbao, 'POST', `${mount}/keys/kek`, {});
    const token = await createToken(openbao, transitPolicy(mount, 'kek'));
    const tokenFile = await broker.write('vault.token', token);
    const credentials = { accessKeyId, secretAccessKey };
    const client = new KMSClient({ region, endpoint, credentials });
    const { KeyMetadata } = await client.send(new CreateKeyCommand({}));
    client.destroy();
    keks['local-file'] = { type: 'local-file', path: broker.file('keys/kek') };
    keks['vault-transit'] = {
      type: 'vault-transit',
      connection: 'prod',
      address: openbao.address,
      mount,
      key: 'kek',
      auth: { method: 'token', tokenFile },
    };
    keks['aws-kms'] = {
      type: 'aws-kms',
      connection: 'prod',
      region,
      endpoint,
      keyId: KeyMetadata?.KeyId,
    };
    await broker.configure({});
    admin = await broker.initialise();
    await broker.start();
    await broker.create(admin, '/mounts/own', { prefix: 'own', connection: 'embedded' });
    const written = await broker.call('PUT', '/api/v1/secrets/own/db', {
      token: admin,
      body: { data: { value: 'kept' } },
      headers: { 'if-none-match': '*' },
    });
    expect(written.status).toBe(201);
  });
  afterAll(() => broker.remove());

  interface Status {
    readonly keys: readonly { readonly keks: readonly string[]; readonly versions: number }[];
  }

  const status = async (): Promise<Status> =>
    (await broker.call('GET', '/api/v1/keys', { token: admin })).json as unknown as Status;

  const restart = async (config: Readonly<Record<string, unknown>>): Promise<void> => {
    await broker.stop();
    await broker.configure(config);
    await broker.start();
  };

  it.each([
    ['local-file', 'vault-transit'],
    ['vault-transit', 'aws-kms'],
    ['aws-kms', 'local-file'],
  ])('changes from %s to %s, and opens the store again after a seal', async (from, to) => {
    const [kek, secondKek] = [keks[from], keks[to]];
    await restart({ kek, secondKek });
    await until('both wrap the root key', async () => (await status()).keys[0]?.keks.length === 2);
    await restart({ kek: secondKek });
    const old = (await status()).keys[0]?.keks.find((id) => id.startsWith(from));
    const retired = await broker.call('POST', '/api/v1/keys:retire-kek', {
      token: admin,
      body: { kek: old, reason: 'test' },
    });
    expect([retired.status, retired.json]).toMatchObject([200, {}]);
    const sealed = await broker.call('POST', '/api/v1/seal', {
      token: admin,
      body: { reason: 'test' },
    });
    expect(sealed.status).toBe(200);
    expect((await broker.call('GET', '/api/v1/keys', { token: admin })).json).toMatchObject({
      code: 'ERR_SEALED',
    });
    await restart({ kek: secondKek });
    const rotated = await broker.call('POST', '/api/v1/keys:rotate', {
      token: admin,
      body: { reason: 'test' },
    });
    expect(rotated.status).toBe(202);
    await until('the rotation ends', async () => {
      const { keys } = await status();
      return keys.length === 1 && keys[0]?.versions === 1;
    });
    expect((await status()).keys[0]?.keks).toEqual([expect.stringMatching(new RegExp(`^${to}:`))]);
  });
});
