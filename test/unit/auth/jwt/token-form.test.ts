import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ecKey, rawToken, rsaKey, signedToken } from '../../../kit/identity/token-factory.ts';
import { offlineCluster, refusalOf, refused } from '../../../kit/identity/offline-cluster.ts';
import type { OfflineCluster } from '../../../kit/identity/offline-cluster.ts';

const rsa = rsaKey('rsa-1');
const ec = ecKey('ec-1');
const foreign = rsaKey('rsa-1');

let cluster: OfflineCluster;
beforeAll(async () => (cluster = await offlineCluster([rsa.jwk, ec.jwk])));
afterAll(() => cluster.close());

const refusal = (token: string): Promise<string> => refusalOf(cluster.authenticate(token));
const withHeader = (header: Record<string, unknown>, key = rsa): string =>
  rawToken({ header: { alg: key.alg, kid: key.kid, ...header }, payload: cluster.claims(), key });

describe('the form of a token', () => {
  it.each([rsa, ec])('is accepted as the API server writes it ($alg)', async (key) => {
    const attested = await cluster.authenticate(signedToken(key, cluster.claims()));
    expect(attested).toEqual({
      method: 'jwks',
      audiences: ['https://broker.test'],
      tokenId: '0d2b6c1e-8f6a-4f0b-9a53-6f2f4b8f7c11',
      tokenIssuedAt: cluster.clock.now(),
      tokenEndsAt: cluster.clock.now() + 600_000,
      workload: {
        cluster: 'east',
        namespace: 'prod',
        serviceAccount: 'api',
        serviceAccountUid: 'sa-uid-1',
        pod: { name: 'api-0', uid: 'pod-uid-1' },
        node: { name: 'node-1', uid: 'node-uid-1' },
      },
    });
  });

  it('accepts the type JWT', async () => {
    await expect(cluster.authenticate(withHeader({ typ: 'JWT' }))).resolves.toBeDefined();
  });

  it.each(['none', 'None', 'NONE', 'nOnE', 'HS256', 'HS512', 'PS256', 'EdDSA', 'RS1', '', 7, null])(
    'is refused with the algorithm %j, with or without a signature (J01)',
    async (alg) => {
      const header = { alg, kid: rsa.kid };
      const payload = cluster.claims();
      expect(await refusal(rawToken({ header, payload, key: rsa }))).toBe(refused('bad_alg'));
      const unsigned = await refusal(rawToken({ header, payload }));
      expect([refused('bad_alg'), refused('malformed')]).toContain(unsigned);
    },
  );

  it('is refused with a symmetric signature made with the public key', async () => {
    const header = { alg: 'HS256', kid: rsa.kid };
    expect(await refusal(rawToken({ header, payload: cluster.claims(), key: ec }))).toBe(
      refused('bad_alg'),
    );
  });

  it.each([
    { jwk: foreign.jwk },
    { jwk: { kty: 'oct', k: 'c2VjcmV0' } },
    { jku: 'https://evil.test/keys' },
    { x5u: 'https://evil.test/chain' },
    { x5c: ['MIIB'] },
    { x5t: 'dGh1bWI' },
    { 'x5t#S256': 'dGh1bWI' },
  ])('is refused when it contains its own key: %j (J03, J05)', async (header) => {
    expect(await refusal(withHeader(header, foreign))).toBe(refused('key_not_trusted'));
    expect(await refusal(withHeader(header))).toBe(refused('key_not_trusted'));
  });

  it.each(['../../dev/null', "' OR 1=1--", '__proto__', 'constructor', 'toString', 'rsa-2'])(
    'is refused with the key name %s, which the broker only uses for a lookup (J06)',
    async (kid) => {
      expect(await refusal(withHeader({ kid }))).toBe(refused('key_not_trusted'));
    },
  );

  it.each([['rsa-1'], null, 7, {}, '', 'k'.repeat(10_000), true])(
    'is refused with an invalid key name (J06)',
    async (kid) => {
      expect(await refusal(withHeader({ kid }))).toBe(refused('bad_kid'));
    },
  );

  it('is refused without a key name', async () => {
    const header = { alg: 'RS256' };
    const token = rawToken({ header, payload: cluster.claims(), key: rsa });
    expect(await refusal(token)).toBe(refused('bad_kid'));
  });

  it.each([
    { crit: ['x'] },
    { crit: [] },
    { crit: ['alg'] },
    { crit: ['b64'], b64: false },
    { crit: null },
    { b64: true },
  ])('is refused with extensions: %j (J25)', async (header) => {
    expect(await refusal(withHeader(header))).toBe(refused('bad_crit'));
  });

  it.each(['at+jwt', 'jwt', 'JWS', '', null, ['JWT'], 'dpop+jwt'])(
    'is refused with another type: %j (J27)',
    async (typ) => {
      expect(await refusal(withHeader({ typ }))).toBe(refused('bad_typ'));
    },
  );

  it('is refused with the signature of another key of the same name', async () => {
    expect(await refusal(signedToken(foreign, cluster.claims()))).toBe(refused('bad_signature'));
  });

  it('is refused with an algorithm that its key does not support', async () => {
    expect(await refusal(withHeader({ alg: 'RS512' }))).toBe(refused('bad_alg'));
    expect(await refusal(withHeader({ alg: 'ES256' }))).toBe(refused('bad_alg'));
    const p384 = { ...ecKey('ec-1', 'ES384'), kid: 'ec-1' };
    expect(await refusal(signedToken(p384, cluster.claims()))).toBe(refused('bad_alg'));
  });

  it.each([64, 96, 70, 1])(
    'is refused with %i zero bytes for an ECDSA signature (J30)',
    async (n) => {
      const header = { alg: 'ES256', kid: 'ec-1' };
      const token = rawToken({ header, payload: cluster.claims(), signature: new Uint8Array(n) });
      expect(await refusal(token)).toBe(refused('bad_signature'));
    },
  );

  it('is refused when one bit of any part changed', async () => {
    const [header = '', payload = '', signature = ''] = signedToken(rsa, cluster.claims()).split(
      '.',
    );
    const flipped = `${payload.startsWith('e') ? 'f' : 'e'}${payload.slice(1)}`;
    expect(await refusal(`${header}.${flipped}.${signature}`)).toBe(refused('bad_signature'));
    const other = `${signature.startsWith('A') ? 'B' : 'A'}${signature.slice(1)}`;
    expect(await refusal(`${header}.${payload}.${other}`)).toBe(refused('bad_signature'));
  });

  it('has one encoding only: refuses unused bits, padding and white space (J22)', async () => {
    const token = signedToken(rsa, cluster.claims());
    // 256 bytes leave four unused bits in the last character.
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    const last = alphabet.indexOf(token.at(-1) ?? '');
    const variants = [
      ...Array.from(
        { length: 15 },
        (_, bits) => token.slice(0, -1) + (alphabet[last + bits + 1] ?? '='),
      ),
      `${token}==`,
      `${token}\n`,
      `${token} `,
      `${token.slice(0, -4)} ${token.slice(-4)}`,
      token.replaceAll('-', '+').replaceAll('_', '/'),
      token.replace('.', '=.'),
    ].filter((variant) => variant !== token);
    for (const variant of variants) expect(await refusal(variant)).toBe(refused('not_canonical'));
    for (const variant of [` ${token}`, `\n${token}`, `Bearer ${token}`]) {
      expect(await refusal(variant)).toBe(refused('not_canonical'));
    }
  });

  it.each([
    '',
    '.',
    '..',
    '...',
    'a',
    'a.b',
    '.a.b',
    'a..b',
    'a.b.c.d',
    'qms_abcdefghijklmnop',
    '.'.repeat(16_000),
  ])('is refused with other than three parts: %.20s', async (token) => {
    expect(await refusal(token)).toBe(refused('malformed'));
  });

  it.each(['.'.repeat(200_000), 'a'.repeat(1_000_000), `${'a.'.repeat(10_000)}a`])(
    'is refused without parsing when it is too long (J29)',
    async (token) => {
      expect(await refusal(token)).toBe(refused('too_large'));
    },
  );

  it.each(['[]', '"x"', 'null', '7', '{', '{"alg":"RS256",}', '\ufeff{"alg":"RS256"}', '{}x'])(
    'is refused with a header that is not a JSON object: %s',
    async (header) => {
      expect(await refusal(rawToken({ header, payload: '{}', key: rsa }))).toBe(
        refused('malformed'),
      );
    },
  );

  it('is refused with bytes that are not UTF-8', async () => {
    const [header = ''] = signedToken(rsa, {}).split('.');
    const payload = Buffer.from('7b226373223a22ff227d', 'hex').toString('base64url');
    expect(await refusal(`${header}.${payload}.AAAA`)).toBe(refused('bad_signature'));
    const broken = Buffer.from('7b22616c67223a22ff227d', 'hex').toString('base64url');
    expect(await refusal(`${broken}.${payload}.AAAA`)).toBe(refused('malformed'));
  });

  it('is refused with a header that names a member twice', async () => {
    const header = `{"alg":"none","alg":"RS256","kid":"rsa-1"}`;
    const token = rawToken({ header, payload: cluster.claims(), key: rsa });
    expect(await refusal(token)).toBe(refused('duplicate_claim'));
  });
});
