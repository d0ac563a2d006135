import { afterEach, describe, expect, it } from '@jest/globals';
import { ecKey, rsaKey, signedToken } from '../../../kit/identity/token-factory.ts';
import { offlineCluster, refusalOf, refused } from '../../../kit/identity/offline-cluster.ts';
import type { OfflineCluster } from '../../../kit/identity/offline-cluster.ts';

const good = ecKey('good');
const opened: OfflineCluster[] = [];
const open = async (keys: readonly unknown[]): Promise<OfflineCluster> => {
  const cluster = await offlineCluster(keys);
  opened.push(cluster);
  return cluster;
};
afterEach(async () => {
  for (const cluster of opened.splice(0)) await cluster.close();
});

const rsa = rsaKey('bad');
const BAD_KEYS: readonly (readonly [string, unknown])[] = [
  ['weak_rsa', rsaKey('bad', 1024).jwk],
  ['weak_rsa', { ...rsa.jwk, e: 'AQ' }],
  ['weak_rsa', { ...rsa.jwk, e: 'Aw' }],
  ['weak_rsa', { ...rsa.jwk, e: 'AQAC' }],
  ['weak_rsa', { ...rsa.jwk, e: '' }],
  ['weak_rsa', { ...rsa.jwk, n: '' }],
  ['weak_rsa', { ...rsa.jwk, n: Buffer.alloc(256).toString('base64url') }],
  ['weak_rsa', { ...rsa.jwk, n: Buffer.alloc(2048, 1).toString('base64url') }],
  ['malformed', { ...rsa.jwk, n: 7 }],
  ['malformed', { kid: 'bad', kty: 'RSA' }],
  ['bad_kty', { kid: 'bad', kty: 'oct', x: 'AAAA' }],
  ['not_public', { kid: 'bad', kty: 'oct', k: '' }],
  ['not_public', { kid: 'bad', kty: 'oct', k: 'c2VjcmV0' }],
  ['not_public', { ...rsa.privateKey.export({ format: 'jwk' }), kid: 'bad' }],
  ['not_for_signatures', { ...rsa.jwk, use: 'enc' }],
  ['not_for_signatures', { ...rsa.jwk, key_ops: ['encrypt'] }],
  ['bad_alg', { ...rsa.jwk, alg: 'RSA-OAEP' }],
  ['bad_alg', { ...rsa.jwk, alg: 'HS256' }],
  ['bad_alg', { ...rsa.jwk, alg: 'none' }],
  ['bad_alg', { ...rsa.jwk, alg: 'ES256' }],
  ['bad_alg', { ...ecKey('bad').jwk, alg: 'ES384' }],
  ['bad_curve', { ...ecKey('bad').jwk, crv: 'secp256k1' }],
  ['bad_curve', { ...ecKey('bad').jwk, crv: 'constructor' }],
  ['malformed', { ...ecKey('bad').jwk, x: 'AAAA' }],
  ['malformed', { ...ecKey('bad').jwk, y: ecKey('other').jwk.y }],
  ['no_kid', { ...rsa.jwk, kid: undefined }],
  ['no_kid', { ...rsa.jwk, kid: 7 }],
  ['no_kid', { ...rsa.jwk, kid: 'k'.repeat(257) }],
  ['not_an_object', null],
  ['not_an_object', 'x'],
  ['no_kid', []],
  ['duplicate_kid', { ...rsa.jwk, kid: 'good' }],
];

describe('a key set', () => {
  it.each(BAD_KEYS)(
    'skips a key that is %s, logs it and uses the others (J30, J31)',
    async (reason, key) => {
      const cluster = await open([good.jwk, key]);
      await expect(
        cluster.authenticate(signedToken(good, cluster.claims())),
      ).resolves.toBeDefined();
      expect(cluster.log).toEqual([{ message: 'a key of the set is not used', index: 1, reason }]);
    },
  );

  it.each(BAD_KEYS.filter(([reason]) => reason !== 'duplicate_kid'))(
    'makes the cluster unready without any usable key, and does not call its tokens invalid (%s; J31)',
    async (_, key) => {
      const cluster = await open([key]);
      const attempt = cluster.authenticate(signedToken(good, cluster.claims()));
      expect(await refusalOf(attempt)).toBe('ERR_IDENTITY_UNAVAILABLE keys_unavailable');
    },
  );

  it('makes the cluster unready without keys (J31)', async () => {
    const cluster = await open([]);
    const attempt = cluster.authenticate(signedToken(good, cluster.claims()));
    expect(await refusalOf(attempt)).toBe('ERR_IDENTITY_UNAVAILABLE keys_unavailable');
  });

  it('is refused with over 100 keys (T10)', async () => {
    const cluster = await open(Array.from({ length: 101 }, () => good.jwk));
    const attempt = cluster.authenticate(signedToken(good, cluster.claims()));
    expect(await refusalOf(attempt)).toBe('ERR_IDENTITY_UNAVAILABLE keys_unavailable');
  });

  it('never trusts a weak key, even if its signature is valid (J30)', async () => {
    const weak = rsaKey('weak', 1024);
    const cluster = await open([good.jwk, weak.jwk]);
    const attempt = cluster.authenticate(signedToken(weak, cluster.claims()));
    expect(await refusalOf(attempt)).toBe(refused('key_not_trusted'));
  });

  it.each(['ES256', 'ES384', 'ES512'] as const)('accepts a key for %s', async (alg) => {
    const key = ecKey('ec', alg);
    const cluster = await open([key.jwk]);
    await expect(cluster.authenticate(signedToken(key, cluster.claims()))).resolves.toBeDefined();
  });

  it.each(['RS256', 'RS384', 'RS512'])(
    'accepts an RSA key without an algorithm, which then verifies %s',
    async (alg) => {
      const key = { ...rsaKey('any'), alg };
      const cluster = await open([{ ...key.jwk, alg: undefined }]);
      await expect(cluster.authenticate(signedToken(key, cluster.claims()))).resolves.toBeDefined();
    },
  );
});
