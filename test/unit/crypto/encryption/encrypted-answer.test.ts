import { createPrivateKey, type JsonWebKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { calculateJwkThumbprint, compactDecrypt, exportJWK } from 'jose';
import { encryptAnswer } from '../../../../src/crypto/encryption/encrypted-answer.ts';
import { importSenderKey, senderKey } from '../../../../src/crypto/keys/sender-key.ts';
import { Sender } from '../../../kit/identity/proof-sender.ts';

const VECTORS = JSON.parse(readFileSync('test/vectors/sealed-delivery-v1.json', 'utf8')) as {
  readonly key: JsonWebKey & { readonly x: string; readonly y: string };
  readonly thumbprint: string;
  readonly answer: {
    readonly proofId: string;
    readonly jwe: string;
    readonly header: object;
    readonly json: string;
  };
  readonly notOpened: readonly { readonly why: string; readonly jwe: string }[];
};
const privateKey = createPrivateKey({ key: VECTORS.key, format: 'jwk' });
const own = new Sender(privateKey);

describe('a sealed answer', () => {
  it('opens with its key in the vectors', async () => {
    const { jwe, header, json } = VECTORS.answer;
    const opened = await own.open(jwe);
    expect(opened.protectedHeader).toEqual(header);
    expect(Buffer.from(opened.plaintext).toString()).toBe(json);
  });

  it.each(VECTORS.notOpened)('does not open with $why', async ({ jwe }) => {
    await expect(own.open(jwe)).rejects.toThrow();
  });

  it('has the form of the vectors, with new keys each time', async () => {
    const { proofId, json, header } = VECTORS.answer;
    const to = { key: senderKey(VECTORS.key), proofId };
    const jwes = await Promise.all([1, 2].map(() => encryptAnswer(Buffer.from(json), to)));
    const headers = jwes.map(
      (jwe) => JSON.parse(Buffer.from(jwe.split('.')[0]!, 'base64url').toString()) as object,
    );
    for (const each of headers) expect({ ...each, epk: null }).toEqual({ ...header, epk: null });
    expect(new Set(headers.map((each) => JSON.stringify(each))).size).toBe(2);
    expect(new Set(jwes.map((jwe) => jwe.split('.')[2])).size).toBe(2);
  });

  it('opens with its own key, and with no other, whatever its bytes are', async () => {
    const other = new Sender();
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (bytes) => {
        const jwe = await encryptAnswer(bytes, { key: senderKey(own.jwk), proofId: 'a' });
        const { plaintext } = await compactDecrypt(jwe, privateKey);
        expect(Buffer.from(plaintext)).toEqual(Buffer.from(bytes));
        await expect(other.open(jwe)).rejects.toThrow();
      }),
      { numRuns: 40 },
    );
  });

  it('is refused for an invalid key', async () => {
    const key = senderKey({ x: own.jwk.x, y: new Sender().jwk.y });
    await expect(encryptAnswer(Buffer.from('{}'), { key, proofId: 'a' })).rejects.toMatchObject({
      code: 'ERR_CIPHERTEXT_INVALID',
    });
  });
});

describe('the key of a sender', () => {
  it('has the thumbprint of RFC 7638', async () => {
    expect(senderKey(VECTORS.key).thumbprint).toBe(VECTORS.thumbprint);
    for (const sender of [own, new Sender(), new Sender()]) {
      expect(senderKey(sender.jwk).thumbprint).toBe(await calculateJwkThumbprint(sender.jwk));
    }
  });

  it('is imported once, and only if it is a point of the curve (CVE-2015-7940)', async () => {
    const key = senderKey(own.jwk);
    const imported = importSenderKey(key)!;
    expect(importSenderKey(key)).toBe(imported);
    expect(await exportJWK(imported)).toMatchObject({ x: own.jwk.x, y: own.jwk.y });
    const zero = Buffer.alloc(32).toString('base64url');
    expect(importSenderKey(senderKey({ x: zero, y: zero }))).toBeUndefined();
    expect(importSenderKey(senderKey({ x: own.jwk.x, y: own.jwk.x }))).toBeUndefined();
  });
});
