import { CreateKeyCommand, KMSClient } from '@aws-sdk/client-kms';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { systemClock } from '../../src/process/clock.ts';
import { awsKmsConfig } from '../../src/providers/aws/config.ts';
import { openAwsKmsKey } from '../../src/providers/aws/kek.ts';
import { vaultTransitConfig } from '../../src/providers/vault/config.ts';
import { openVaultTransitKey } from '../../src/providers/vault/kek.ts';
import { describeWith } from '../kit/backends/backends.ts';
import { freePort } from '../kit/backends/free-port.ts';
import { createToken, mountEngine, openBaoCall } from '../kit/backends/openbao-calls.ts';
import { setCredentials } from '../kit/aws/aws-connection.ts';
import { VaultConnections } from '../kit/providers/vault-connections.ts';
import { transitPolicy } from '../kit/providers/vault-policies.ts';
import { contextOf, failureOf } from './secret-provider.contract.ts';
import { keyEncryptionKeyContract } from './key-encryption-key.contract.ts';

describeWith(['openbao'], 'OpenBao transit', ({ openbao }) => {
  const setUp = async (keys: Readonly<Record<string, Readonly<Record<string, unknown>>>>) => {
    const mount = await mountEngine(openbao, 'transit');
    for (const [key, options] of Object.entries(keys)) {
      await openBaoCall(openbao, 'POST', `${mount}/keys/${key}`, options);
    }
    const policy = Object.keys(keys).map((key) => transitPolicy(mount, key));
    const token = await createToken(openbao, policy.join('\n'));
    const files = await VaultConnections.create();
    const tokenFile = await files.file(token);
    const open = (key: string, address = openbao.address) => {
      const auth = { method: 'token', tokenFile };
      const config = { type: 'vault-transit', connection: 'prod', address, auth, mount, key };
      return openVaultTransitKey(vaultTransitConfig.parse(config), systemClock);
    };
    const close = async () => {
      await files.close();
      await openBaoCall(openbao, 'DELETE', `sys/mounts/${mount}`);
    };
    return { mount, open, close };
  };

  keyEncryptionKeyContract('vault-transit', async () => {
    const { open, close } = await setUp({ kek: {}, other: {} });
    const [kek, reopened, other] = [await open('kek'), await open('kek'), await open('other')];
    const unreachable = await open('kek', `http://127.0.0.1:${await freePort()}`);
    return {
      kek,
      reopened,
      other,
      unreachable,
      close: async () => {
        await Promise.all([kek, reopened, other, unreachable].map((key) => key.close()));
        await close();
      },
    };
  });

  it('unwraps what an older version of the key wrapped', async () => {
    const { mount, open, close } = await setUp({ kek: {} });
    const kek = await open('kek');
    const wrapped = await kek.wrap(Buffer.from('key'), Buffer.from('place'), contextOf());
    await openBaoCall(openbao, 'POST', `${mount}/keys/kek/rotate`);
    const opened = await kek.unwrap(wrapped, Buffer.from('place'), contextOf());
    expect(Buffer.from(opened).toString()).toBe('key');
    const rewrapped = await kek.wrap(opened, Buffer.from('place'), contextOf());
    expect(Buffer.from(rewrapped).toString()).toMatch(/^vault:v2:/);
    await openBaoCall(openbao, 'POST', `${mount}/keys/kek/config`, { min_decryption_version: 2 });
    const tooOld = await failureOf(kek.unwrap(wrapped, Buffer.from('place'), contextOf()));
    expect(tooOld.code).toBe('ERR_SEALED');
    await kek.close();
    await close();
  });

  it.each([
    [{ exportable: true }, 'exportable=false'],
    [{ derived: true }, 'derived=false'],
    [{ allow_plaintext_backup: true }, 'allow_plaintext_backup=false'],
    [{ type: 'rsa-2048' }, 'aes256-gcm96'],
  ])('refuses a key created with %j and names the right options', async (options, remedy) => {
    const { open, close } = await setUp({ kek: options });
    const kek = await open('kek');
    const error = await failureOf(kek.wrap(Buffer.from('key'), Buffer.from('a'), contextOf()));
    expect(error.code).toBe('ERR_SEALED');
    expect(error.detail).toContain(remedy);
    await kek.close();
    await close();
  });

  it('never creates a key by using it', async () => {
    const { mount, open, close } = await setUp({ kek: {} });
    const kek = await open('missing');
    const error = await failureOf(kek.wrap(Buffer.from('key'), Buffer.from('a'), contextOf()));
    expect(error.code).toBe('ERR_SEALED');
    expect(error.detail).toContain(`grant \`read\` on ${mount}/keys/missing`);
    const keys = await openBaoCall(openbao, 'LIST', `${mount}/keys`);
    expect(keys).toMatchObject({ data: { keys: ['kek'] } });
    await kek.close();
    await close();
  });
});

describeWith(['moto'], 'AWS KMS', ({ moto }) => {
  const { endpoint, region, accessKeyId, secretAccessKey } = moto;
  const client = new KMSClient({
    region,
    endpoint,
    credentials: { accessKeyId, secretAccessKey },
  });
  const createKey = async (): Promise<string> => {
    const { KeyMetadata } = await client.send(new CreateKeyCommand({}));
    return KeyMetadata?.KeyId ?? '';
  };
  const open = (keyId: string, at = endpoint) =>
    openAwsKmsKey(
      awsKmsConfig.parse({ type: 'aws-kms', connection: 'prod', region, endpoint: at, keyId }),
      systemClock,
    );

  beforeAll(() => setCredentials());
  afterAll(() => client.destroy());

  keyEncryptionKeyContract('aws-kms', async () => {
    const keyId = await createKey();
    const [kek, reopened, other] = [
      await open(keyId),
      await open(keyId),
      await open(await createKey()),
    ];
    const unreachable = await open(keyId, `http://127.0.0.1:${await freePort()}`);
    return {
      kek,
      reopened,
      other,
      unreachable,
      close: async () => {
        await Promise.all([kek, reopened, other, unreachable].map((key) => key.close()));
      },
    };
  });

  it('is sealed, and says so, if the key does not exist', async () => {
    const kek = await open('00000000-0000-4000-8000-000000000000');
    const error = await failureOf(kek.wrap(Buffer.from('key'), Buffer.from('a'), contextOf()));
    expect(error.code).toBe('ERR_SEALED');
    expect(error.detail).toContain('aws-kms:prod/00000000-0000-4000-8000-000000000000');
    await kek.close();
  });

  it('refuses an alias in the configuration, because it can be pointed at another key', () => {
    expect(() =>
      awsKmsConfig.parse({ type: 'aws-kms', connection: 'prod', region, keyId: 'alias/kek' }),
    ).toThrow(/not an alias/);
  });
});
