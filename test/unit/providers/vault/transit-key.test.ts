import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { systemClock } from '../../../../src/process/clock.ts';
import {
  parseCiphertext,
  openVaultTransitKey,
  type VaultTransitKey,
} from '../../../../src/providers/vault/kek.ts';
import { vaultTransitConfig } from '../../../../src/providers/vault/config.ts';
import { contextOf, failureOf } from '../../../contract/secret-provider.contract.ts';
import { FakeVault, type SeenRequest } from '../../../kit/fakes/fake-vault.ts';
import { VaultConnections } from '../../../kit/providers/vault-connections.ts';

let vault: FakeVault;
let files: VaultConnections;
let key: VaultTransitKey;

beforeEach(async () => {
  vault = await FakeVault.start();
  files = await VaultConnections.create();
  const auth = { method: 'token', tokenFile: await files.file('s.broker') };
  const config = {
    type: 'vault-transit',
    connection: 'prod',
    address: vault.address,
    auth,
    key: 'kek',
  };
  key = await openVaultTransitKey(vaultTransitConfig.parse(config), systemClock);
});
afterEach(async () => {
  await key.close();
  await files.close();
  await vault.close();
});

const GOOD_KEY = {
  type: 'aes256-gcm96',
  derived: false,
  exportable: false,
  allow_plaintext_backup: false,
  deletion_allowed: false,
};

/** A transit engine without encryption: the ciphertext contains the plaintext. */
const engine = (bindsPlace: boolean, facts: Readonly<Record<string, unknown>> = GOOD_KEY) => {
  return ({ target, body }: SeenRequest) => {
    const ok = (data: unknown) => ({ status: 200, body: { data } });
    if (target.includes('/keys/')) return ok(facts);
    if (target.includes('/encrypt/')) {
      const sealed = Buffer.from(JSON.stringify(body)).toString('base64');
      return ok({ ciphertext: `vault:v1:${sealed}` });
    }
    const sealed = String(body['ciphertext']).replace('vault:v1:', '');
    const opened = JSON.parse(Buffer.from(sealed, 'base64').toString()) as Record<string, string>;
    if (bindsPlace && opened['associated_data'] !== body['associated_data']) {
      return { status: 400, body: { errors: ['cipher: message authentication failed'] } };
    }
    return ok({ plaintext: opened['plaintext'] });
  };
};
const wrap = () => key.wrap(Buffer.from('root key'), Buffer.from('place'), contextOf());

describe('a key in the transit engine', () => {
  it('is checked and tested once, before its first use', async () => {
    vault.fault = engine(true);
    await Promise.all([wrap(), wrap(), wrap()]);
    const targets = vault.requests.map(({ target }) => target);
    expect(targets[0]).toBe('/v1/transit/keys/kek');
    expect(targets.filter((target) => target.includes('/keys/'))).toHaveLength(1);
    expect(targets.filter((target) => target.includes('/decrypt/'))).toHaveLength(2);
  });

  it('is not used at a server that ignores associated data', async () => {
    vault.fault = engine(false);
    const error = await failureOf(wrap());
    expect(error.code).toBe('ERR_SEALED');
    expect(error.detail).toContain('does not authenticate associated data');
  });

  it.each([
    [{ ...GOOD_KEY, exportable: true }],
    [{ ...GOOD_KEY, deletion_allowed: true }],
    [{ ...GOOD_KEY, type: 'aes256-cbc' }],
    [{ type: 'aes256-gcm96' }],
  ])('is not used with the properties %j', async (facts) => {
    vault.fault = engine(true, facts);
    expect((await failureOf(wrap())).code).toBe('ERR_SEALED');
    expect(vault.requests).toHaveLength(1);
  });

  it('is tested again after a failed test', async () => {
    vault.sealed = true;
    expect((await failureOf(wrap())).code).toBe('ERR_SEALED');
    vault.sealed = false;
    vault.fault = engine(true);
    await expect(wrap()).resolves.toBeDefined();
  });

  it.each([
    ['encryption key not found', 'ERR_SEALED'],
    ['ciphertext or signature version is disallowed by policy (too old)', 'ERR_SEALED'],
    ['cipher: message authentication failed', 'ERR_CIPHERTEXT_INVALID'],
    ['invalid ciphertext: version is too new', 'ERR_CIPHERTEXT_INVALID'],
  ])('answers “%s” and is %s', async (said, code) => {
    vault.fault = engine(true);
    const wrapped = await wrap();
    vault.fault = () => ({ status: 400, body: { errors: [said] } });
    const error = await failureOf(key.unwrap(wrapped, Buffer.from('place'), contextOf()));
    expect(error.code).toBe(code);
    expect(error.detail).toBeUndefined();
  });

  it.each([403, 429, 500, 503])(
    'is sealed, not invalid, while the server answers %i',
    async (status) => {
      vault.fault = engine(true);
      const wrapped = await wrap();
      vault.fault = () => ({ status, body: { errors: ['no'] } });
      const error = await failureOf(key.unwrap(wrapped, Buffer.from('place'), contextOf()));
      expect(error.code).toBe('ERR_SEALED');
    },
  );

  it.each([[{ ciphertext: 'clear text' }], [{ ciphertext: '' }], [{}]])(
    'is sealed when the server answers %j for a ciphertext',
    async (data) => {
      vault.fault = engine(true);
      await wrap();
      vault.fault = () => ({ status: 200, body: { data } });
      expect((await failureOf(wrap())).code).toBe('ERR_SEALED');
    },
  );
});

describe('the ciphertext of the transit engine', () => {
  it.each(['vault:v1:AAAA', 'vault:v12:AAA='])('is accepted: %s', (text) => {
    expect(parseCiphertext(Buffer.from(text))).toBe(text);
  });

  it.each([
    '',
    'vault:v0:AAAA',
    'vault:v01:AAAA',
    'vault:v1:AAB=',
    'vault:v1:AAA',
    'vault:v1:',
    'Vault:v1:AAAA',
    'vault:v1:AAAA\n',
    'vault:v1:AA AA',
    'vault:v1:AA-_',
  ])('is refused: %j', (text) => expect(parseCiphertext(Buffer.from(text))).toBeUndefined());

  it('is refused without parsing when it is far too long', () => {
    expect(parseCiphertext(Buffer.from(`vault:v1:${'A'.repeat(20_000)}`))).toBeUndefined();
  });
});
