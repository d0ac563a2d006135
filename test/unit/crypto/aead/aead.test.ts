import { readFileSync } from 'node:fs';
import { createSecretKey } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { decrypt, encrypt } from '../../../../src/crypto/aead/aead.ts';
import {
  secretValueData,
  type AssociatedData,
} from '../../../../src/crypto/aead/associated-data.ts';
import { generateSecretKey, importSecretKey } from '../../../../src/crypto/random/secret-key.ts';
import { BrokerError } from '../../../../src/domain/errors.ts';
import { codeOf } from '../../../kit/checks/error-code.ts';

interface WycheproofCase {
  readonly tcId: number;
  readonly key: string;
  readonly iv: string;
  readonly aad: string;
  readonly msg: string;
  readonly ct: string;
  readonly tag: string;
  readonly result: 'valid' | 'invalid';
}

const bytes = (hex: string): Buffer => Buffer.from(hex, 'hex');
const data = (hex: string): AssociatedData => bytes(hex) as Uint8Array as AssociatedData;
const place = { installation: 'in_a', secretId: 'sc_a', path: 'a/b', version: 1 };

describe('AES-256-GCM', () => {
  const { tests } = JSON.parse(
    readFileSync('test/vectors/wycheproof/aes-256-gcm.json', 'utf8'),
  ) as {
    tests: WycheproofCase[];
  };

  it('includes all 39 valid and 27 invalid cases of Wycheproof (C03)', () => {
    expect(tests.filter((each) => each.result === 'valid')).toHaveLength(39);
    expect(tests.filter((each) => each.result === 'invalid')).toHaveLength(27);
  });

  it.each(tests)('gives the result of Wycheproof case $tcId: $result', (each) => {
    const sealed = Buffer.concat([Buffer.of(1), bytes(each.iv), bytes(each.ct), bytes(each.tag)]);
    const attempt = (): Buffer => decrypt(importSecretKey(bytes(each.key)), sealed, data(each.aad));
    if (each.result === 'valid') expect(attempt().toString('hex')).toBe(each.msg);
    else expect(codeOf(attempt)).toBe('ERR_CIPHERTEXT_INVALID');
  });

  it('adds exactly 29 bytes: version, IV and tag', () => {
    const sealed = encrypt(generateSecretKey(), Buffer.from('hello'), secretValueData(place));
    expect(sealed).toHaveLength(5 + 29);
    expect(sealed[0]).toBe(1);
  });

  it('refuses a change of any bit of any byte, and any truncation (C02)', () => {
    const key = generateSecretKey();
    const sealed = encrypt(key, Buffer.from('a short value'), secretValueData(place));
    expect(decrypt(key, sealed, secretValueData(place)).toString()).toBe('a short value');
    for (let i = 0; i < sealed.length * 8; i++) {
      const changed = Buffer.from(sealed);
      changed.writeUInt8(changed.readUInt8(i >> 3) ^ (1 << (i & 7)), i >> 3);
      expect(codeOf(() => decrypt(key, changed, secretValueData(place)))).toBe(
        'ERR_CIPHERTEXT_INVALID',
      );
    }
    for (let length = 0; length < sealed.length; length++) {
      expect(codeOf(() => decrypt(key, sealed.subarray(0, length), secretValueData(place)))).toBe(
        'ERR_CIPHERTEXT_INVALID',
      );
    }
  });

  it('fails with one fixed message for every reason', () => {
    const key = generateSecretKey();
    const sealed = encrypt(key, Buffer.from('value'), secretValueData(place));
    const failures = [
      () => decrypt(generateSecretKey(), sealed, secretValueData(place)),
      () => decrypt(key, sealed, secretValueData({ ...place, version: 2 })),
      () => decrypt(key, sealed.subarray(1), secretValueData(place)),
      () => decrypt(key, Buffer.alloc(0), secretValueData(place)),
    ].map((attempt) => {
      try {
        return attempt();
      } catch (error) {
        return error instanceof BrokerError
          ? [error.code, error.message, error.detail, error.reason]
          : error;
      }
    });
    expect(new Set(failures.map((failure) => JSON.stringify(failure))).size).toBe(1);
  });

  it.each([16, 24])('refuses a key of %i bytes', (length) => {
    const key = createSecretKey(Buffer.alloc(length, 7));
    expect(() => encrypt(key, Buffer.from('x'), secretValueData(place))).toThrow(/key length/i);
    const sealed = encrypt(generateSecretKey(), Buffer.from('x'), secretValueData(place));
    expect(codeOf(() => decrypt(key, sealed, secretValueData(place)))).toBe(
      'ERR_CIPHERTEXT_INVALID',
    );
    expect(() => importSecretKey(Buffer.alloc(length))).toThrow(RangeError);
  });

  it('never uses an IV twice in 2^20 encryptions (C06)', () => {
    const key = generateSecretKey();
    const plaintext = Buffer.alloc(1);
    const associated = secretValueData(place);
    const ivs = new Set<string>();
    for (let i = 0; i < 2 ** 20; i++) {
      ivs.add(encrypt(key, plaintext, associated).toString('latin1', 1, 13));
    }
    expect(ivs.size).toBe(2 ** 20);
  });

  it("copies key bytes and wipes the caller's buffer", () => {
    const material = Buffer.alloc(32, 9);
    importSecretKey(material);
    expect(material.equals(Buffer.alloc(32))).toBe(true);
  });
});
