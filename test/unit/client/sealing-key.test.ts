import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { decodeJwt, decodeProtectedHeader, EmbeddedJWK, jwtVerify, type JWK } from 'jose';
import { SealingKey } from '../../../src/client/sealing-key.ts';

const vectors = JSON.parse(
  readFileSync(new URL('../../vectors/sealed-delivery-v1.json', import.meta.url), 'utf8'),
) as {
  readonly key: JWK;
  readonly thumbprint: string;
  readonly token: string;
  readonly ath: string;
  readonly request: { readonly method: string; readonly url: string };
  readonly answer: { readonly proofId: string; readonly jwe: string; readonly json: string };
  readonly notOpened: readonly { readonly why: string; readonly jwe: string }[];
};
const AT = Date.UTC(2026, 0, 1);
let key: SealingKey;
beforeAll(async () => {
  key = await SealingKey.of(vectors.key);
});

describe('the key of a sealed session', () => {
  it('is named by its thumbprint', () => {
    expect(key.thumbprint).toBe(vectors.thumbprint);
  });

  it('opens an answer to its own request', async () => {
    const { jwe, proofId, json } = vectors.answer;
    expect(await key.open(jwe, proofId)).toBe(json);
  });

  it.each(vectors.notOpened.map(({ why, jwe }) => [why, jwe]))(
    'opens nothing else: %s',
    async (_why, jwe) => {
      const opened = key.open(jwe, vectors.answer.proofId);
      await expect(opened).rejects.toMatchObject({ reason: 'not_ours', cause: undefined });
    },
  );

  it('proves a request, its token included, and reveals nothing of the private key', async () => {
    const { headers } = await key.bearing(vectors.token).authorize({ ...vectors.request, at: AT });
    expect(headers['authorization']).toBe(`DPoP ${vectors.token}`);
    const proof = headers['dpop'] ?? '';
    const { payload, protectedHeader } = await jwtVerify(proof, EmbeddedJWK, {
      typ: 'dpop+jwt',
      algorithms: ['ES256'],
      currentDate: new Date(AT),
    });
    const { method, url } = vectors.request;
    expect(payload).toMatchObject({ htm: method, htu: url, ath: vectors.ath, iat: AT / 1000 - 20 });
    const { kty, crv, x, y } = vectors.key;
    expect(protectedHeader.jwk).toEqual({ kty, crv, x, y });
  });

  it('proves a login without a token, and each attempt with a new proof', async () => {
    const request = { method: 'POST', url: 'https://broker.example/api/v1/sessions', at: AT };
    const tries = await Promise.all([1, 2].map(() => key.introduced().authorize(request)));
    const proofs = tries.map(({ headers }) => headers['dpop'] ?? '');
    expect(proofs.map((proof) => decodeProtectedHeader(proof).typ)).toEqual([
      'dpop+jwt',
      'dpop+jwt',
    ]);
    const claims = proofs.map((proof) => decodeJwt(proof));
    expect(claims[0]).not.toHaveProperty('ath');
    expect(claims[0]?.jti).not.toBe(claims[1]?.jti);
    expect(claims[0]?.jti).toMatch(/^[\w-]{22}$/);
  });

  it('is a new one each time', async () => {
    const [one, other] = await Promise.all([SealingKey.generate(), SealingKey.generate()]);
    expect(one.thumbprint).not.toBe(other.thumbprint);
  });
});
