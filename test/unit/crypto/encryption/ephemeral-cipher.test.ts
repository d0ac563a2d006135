import { describe, expect, it } from '@jest/globals';
import { ephemeralCipher } from '../../../../src/crypto/encryption/ephemeral-cipher.ts';
import { codeOf } from '../../../kit/checks/error-code.ts';

const INVALID = 'ERR_CIPHERTEXT_INVALID';

describe('the sealer of the in-memory cache', () => {
  it('opens what it sealed, at the same place only', () => {
    const sealer = ephemeralCipher();
    const sealed = sealer.encrypt(Buffer.from('value'), 'mount/1/a#2');
    expect(sealer.decrypt(sealed, 'mount/1/a#2').toString()).toBe('value');
    expect(sealer.decrypt(sealer.encrypt(Buffer.alloc(0), ''), '')).toHaveLength(0);
    for (const other of ['mount/1/a#3', 'mount/2/a#2', '', 'mount/1/a#2 ']) {
      expect(codeOf(() => sealer.decrypt(sealed, other))).toBe(INVALID);
    }
  });

  it('refuses places that would share an encoding', () => {
    const sealer = ephemeralCipher();
    expect(() => sealer.encrypt(Buffer.from('value'), 'a\ud800')).toThrow(TypeError);
    expect(
      codeOf(() => sealer.decrypt(sealer.encrypt(Buffer.from('value'), 'a\ufffd'), 'a\ud800')),
    ).toBe(INVALID);
  });

  it('opens nothing of another process', () => {
    const sealed = ephemeralCipher().encrypt(Buffer.from('value'), 'a');
    expect(codeOf(() => ephemeralCipher().decrypt(sealed, 'a'))).toBe(INVALID);
  });

  it('never uses an IV twice, and reveals no plaintext', () => {
    const sealer = ephemeralCipher();
    const ivs = new Set<string>();
    for (let i = 0; i < 20_000; i++) {
      const sealed = sealer.encrypt(Buffer.from('plaintext'), 'a');
      ivs.add(sealed.toString('hex', 0, 12));
      if (i === 0) expect(sealed.toString('latin1')).not.toContain('plaintext');
    }
    expect(ivs.size).toBe(20_000);
  });

  it('refuses a change or loss of any byte', () => {
    const sealer = ephemeralCipher();
    const sealed = sealer.encrypt(Buffer.from('value'), 'a');
    for (let i = 0; i < sealed.length; i++) {
      const changed = Buffer.from(sealed);
      changed.writeUInt8(changed.readUInt8(i) ^ 1, i);
      expect(codeOf(() => sealer.decrypt(changed, 'a'))).toBe(INVALID);
      expect(codeOf(() => sealer.decrypt(sealed.subarray(0, i), 'a'))).toBe(INVALID);
    }
  });
});
