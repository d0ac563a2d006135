import { describe, expect, it } from '@jest/globals';
import { ephemeralCipher } from '../../../../src/crypto/encryption/ephemeral-cipher.ts';
import { codeOf } from '../../../kit/checks/error-code.ts';

const INVALID = 'ERR_CIPHERTEXT_INVALID';

describe('the cipher of the in-memory cache', () => {
  it('opens what it encrypted, at the same place only', () => {
    const cipher = ephemeralCipher();
    const encrypted = cipher.encrypt(Buffer.from('value'), 'mount/1/a#2');
    expect(cipher.decrypt(encrypted, 'mount/1/a#2').toString()).toBe('value');
    expect(cipher.decrypt(cipher.encrypt(Buffer.alloc(0), ''), '')).toHaveLength(0);
    for (const other of ['mount/1/a#3', 'mount/2/a#2', '', 'mount/1/a#2 ']) {
      expect(codeOf(() => cipher.decrypt(encrypted, other))).toBe(INVALID);
    }
  });

  it('refuses places that would share an encoding', () => {
    const cipher = ephemeralCipher();
    expect(() => cipher.encrypt(Buffer.from('value'), 'a\ud800')).toThrow(TypeError);
    expect(
      codeOf(() => cipher.decrypt(cipher.encrypt(Buffer.from('value'), 'a\ufffd'), 'a\ud800')),
    ).toBe(INVALID);
  });

  it('opens nothing of another process', () => {
    const encrypted = ephemeralCipher().encrypt(Buffer.from('value'), 'a');
    expect(codeOf(() => ephemeralCipher().decrypt(encrypted, 'a'))).toBe(INVALID);
  });

  it('never uses an IV twice, and reveals no plaintext', () => {
    const cipher = ephemeralCipher();
    const ivs = new Set<string>();
    for (let i = 0; i < 20_000; i++) {
      const encrypted = cipher.encrypt(Buffer.from('plaintext'), 'a');
      ivs.add(encrypted.toString('hex', 0, 12));
      if (i === 0) expect(encrypted.toString('latin1')).not.toContain('plaintext');
    }
    expect(ivs.size).toBe(20_000);
  });

  it('refuses a change or loss of any byte', () => {
    const cipher = ephemeralCipher();
    const encrypted = cipher.encrypt(Buffer.from('value'), 'a');
    for (let i = 0; i < encrypted.length; i++) {
      const changed = Buffer.from(encrypted);
      changed.writeUInt8(changed.readUInt8(i) ^ 1, i);
      expect(codeOf(() => cipher.decrypt(changed, 'a'))).toBe(INVALID);
      expect(codeOf(() => cipher.decrypt(encrypted.subarray(0, i), 'a'))).toBe(INVALID);
    }
  });
});
