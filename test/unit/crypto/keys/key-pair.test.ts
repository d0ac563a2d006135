import { createPrivateKey, createPublicKey, sign, verify } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { generateKeyPair, KEY_TYPES, readKeyPair } from '../../../../src/crypto/keys/key-pair.ts';

const { cases } = JSON.parse(readFileSync('test/vectors/openssh-lines.json', 'utf8')) as {
  cases: readonly { type: string; privateKey: string; openSsh: string }[];
};

describe('a key pair', () => {
  it.each(KEY_TYPES)(
    'signs with one half of the type %s and verifies with the other',
    async (type) => {
      const pair = await generateKeyPair(type);
      expect(pair.privateKey).toMatch(/^-----BEGIN PRIVATE KEY-----\n/);
      expect(pair.publicKey).toMatch(/^-----BEGIN PUBLIC KEY-----\n/);
      const digest = type === 'ed25519' ? null : 'sha256';
      const message = Buffer.from('message');
      const signature = sign(digest, message, createPrivateKey(pair.privateKey));
      expect(verify(digest, message, createPublicKey(pair.publicKey), signature)).toBe(true);
      expect(readKeyPair(pair.privateKey)).toEqual({ type, ...pair });
    },
  );

  it.each(cases)("is written in OpenSSH's own format with the type $type", (vector) => {
    expect(readKeyPair(vector.privateKey)).toMatchObject({
      type: vector.type,
      privateKey: vector.privateKey,
      openSsh: vector.openSsh,
    });
  });

  it.each(['', 'no key', cases[0]!.openSsh, cases[0]!.privateKey.slice(0, -40)])(
    'is not read from %j',
    (text) => {
      expect(readKeyPair(text)).toBeUndefined();
    },
  );
});
