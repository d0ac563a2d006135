import { createHash, createHmac, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { scramVerifier } from '../../../../src/crypto/hashes/scram-verifier.ts';

interface Vector {
  readonly what: string;
  readonly password: string;
  readonly verifier: string;
}

const { vectors } = JSON.parse(
  readFileSync('test/vectors/postgres-scram-verifiers.json', 'utf8'),
) as { readonly vectors: readonly Vector[] };

const FORM =
  /^SCRAM-SHA-256\$(?<count>\d+):(?<salt>[\w+/]+=*)\$(?<stored>[\w+/]{43}=):(?<server>[\w+/]{43}=)$/;

function partsOf(verifier: string) {
  const { count, salt, stored, server } = FORM.exec(verifier)?.groups ?? {};
  const bytes = (text = ''): Buffer => Buffer.from(text, 'base64');
  return { count, salt: bytes(salt), stored: bytes(stored), server: bytes(server) };
}

const hmac = (key: Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest();

describe('a SCRAM verifier', () => {
  it('verifies the login of RFC 7677 section 3, in both directions', () => {
    const exchange = [
      'n=user,r=rOprNGfwEbeRWgbNEkqO',
      'r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096',
      'c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0',
    ].join(',');
    const proof = Buffer.from('dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=', 'base64');
    const salt = Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64');
    const { stored, server } = partsOf(scramVerifier('pencil', salt));
    const signature = hmac(stored, exchange);
    const clientKey = proof.map((byte, index) => byte ^ signature[index]!);
    expect(createHash('sha256').update(clientKey).digest()).toEqual(stored);
    expect(hmac(server, exchange).toString('base64')).toBe(
      '6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=',
    );
  });

  it.each(vectors.map((vector) => [vector.what, vector] as const))(
    "equals PostgreSQL's own: %s",
    (_what, { password, verifier }) => {
      expect(scramVerifier(password, partsOf(verifier).salt)).toBe(verifier);
    },
  );

  it.each([
    ['the same word in other code points', '\u{c9}cole', 'E\u{301}cole'],
    ['a hyphen that is not seen', 'pass\u{ad}word', 'password'],
    ['a joiner without width', 'pass\u{2060}word', 'password'],
    ['a space of another script', 'pass\u{3000}word', 'pass word'],
    ['letters of full width', '\u{ff50}\u{ff57}', 'pw'],
  ])('is the same for %s', (_what, one, other) => {
    const salt = randomBytes(16);
    expect(scramVerifier(one, salt)).toBe(scramVerifier(other, salt));
  });

  it.each([
    ['upper and lower case', 'Password', 'password'],
    ['a blank at the end', 'password ', 'password'],
    ['digits of another value', 'pass\u{2461}', 'pass1'],
  ])('is different for %s', (_what, one, other) => {
    const salt = randomBytes(16);
    expect(scramVerifier(one, salt)).not.toBe(scramVerifier(other, salt));
  });

  it('has a new salt each time, and not the password', () => {
    const made = [1, 2, 3].map(() => scramVerifier('canary-of-the-password'));
    expect(new Set(made.map((verifier) => partsOf(verifier).salt.toString('hex'))).size).toBe(3);
    for (const verifier of made) {
      expect(verifier).toMatch(FORM);
      expect(partsOf(verifier)).toMatchObject({ count: '4096', salt: { length: 16 } });
      expect(verifier).not.toContain('canary');
    }
  });
});
