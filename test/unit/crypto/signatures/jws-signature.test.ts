import { describe, expect, it } from '@jest/globals';
import { CompactSign, compactVerify, generateKeyPair, type CryptoKey } from 'jose';
import { isJwsSignature, jwsKey } from '../../../../src/crypto/signatures/jws-signature.ts';

const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'ES256', 'ES384', 'ES512'] as const;

async function signed(alg: string): Promise<{
  readonly publicKey: CryptoKey;
  readonly token: string;
  readonly input: string;
  readonly signature: Buffer;
}> {
  const { publicKey, privateKey } = await generateKeyPair(alg);
  const signer = new CompactSign(Buffer.from('{"sub":"a"}')).setProtectedHeader({ alg });
  const token = await signer.sign(privateKey);
  const end = token.lastIndexOf('.');
  const signature = Buffer.from(token.slice(end + 1), 'base64url');
  return { publicKey, token, input: token.slice(0, end), signature };
}

describe.each(ALGORITHMS)('a %s signature', (alg) => {
  it('verifies exactly if jose verifies it', async () => {
    const { publicKey, token, input, signature } = await signed(alg);
    await expect(compactVerify(token, publicKey)).resolves.toBeDefined();
    expect(isJwsSignature(alg, jwsKey(publicKey), { input, signature })).toBe(true);
  });

  it('does not verify with any byte changed, cut off or added, or over another input', async () => {
    const { publicKey, input, signature } = await signed(alg);
    const key = jwsKey(publicKey);
    for (let at = 0; at < signature.length; at += 7) {
      const flipped = Buffer.from(signature);
      flipped[at] = (flipped[at] ?? 0) ^ 1;
      expect(isJwsSignature(alg, key, { input, signature: flipped })).toBe(false);
    }
    const longer = Buffer.concat([signature, Buffer.of(0)]);
    expect(isJwsSignature(alg, key, { input, signature: longer })).toBe(false);
    expect(isJwsSignature(alg, key, { input, signature: signature.subarray(1) })).toBe(false);
    expect(isJwsSignature(alg, key, { input: `${input}A`, signature })).toBe(false);
    expect(isJwsSignature(alg, key, { input, signature: Buffer.alloc(signature.length) })).toBe(
      false,
    );
  });

  it('does not verify under another key', async () => {
    const { input, signature } = await signed(alg);
    const { publicKey } = await signed(alg);
    expect(isJwsSignature(alg, jwsKey(publicKey), { input, signature })).toBe(false);
  });
});

it('refuses every other algorithm', async () => {
  const { publicKey, input, signature } = await signed('RS256');
  for (const alg of ['none', 'HS256', 'PS256', '__proto__', 'constructor', 'toString', '']) {
    expect(isJwsSignature(alg, jwsKey(publicKey), { input, signature })).toBe(false);
  }
});
