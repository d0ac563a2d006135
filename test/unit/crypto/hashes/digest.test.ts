import { createHash, createHmac } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import {
  constantTimeEqual,
  hmac,
  sha256,
  sha256Hex,
} from '../../../../src/crypto/hashes/digest.ts';
import { importSecretKey } from '../../../../src/crypto/random/secret-key.ts';

describe('digests', () => {
  it('hash one or more parts, text and bytes alike', () => {
    expect(sha256Hex('abc')).toBe(
      'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
    );
    expect(sha256('a', Buffer.from('b'), 'c').toString('hex')).toBe(sha256Hex('abc'));
    expect(sha256Hex()).toBe(createHash('sha256').digest('hex'));
    expect(sha256(Buffer.from('é'))).toEqual(sha256('é'));
  });

  it('HMAC equals RFC 2104 under a 256-bit key', () => {
    const key = Buffer.from(Array.from({ length: 32 }, (_, i) => i));
    const expected = createHmac('sha256', key).update('one two').digest();
    expect(hmac(importSecretKey(Buffer.from(key)), 'one ', Buffer.from('two'))).toEqual(expected);
  });

  it('compare as equal only equal bytes', () => {
    expect(constantTimeEqual(Buffer.from('a'), Buffer.from('a'))).toBe(true);
    expect(constantTimeEqual(Buffer.from('a'), Buffer.from('b'))).toBe(false);
    expect(constantTimeEqual(Buffer.from('a'), Buffer.from('ab'))).toBe(false);
    expect(constantTimeEqual(Buffer.alloc(0), Buffer.alloc(0))).toBe(true);
  });
});
