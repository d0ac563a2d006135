import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import {
  isWellFormedToken,
  newToken,
  type TokenPrefix,
} from '../../../../src/crypto/random/token.ts';

const vectors = JSON.parse(readFileSync('test/vectors/token-v1.json', 'utf8')) as {
  cases: { name: string; prefix: TokenPrefix; text: string; wellFormed: boolean }[];
};
const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

describe('tokens', () => {
  it.each(vectors.cases)('equal the frozen vector $name', ({ prefix, text, wellFormed }) => {
    expect(isWellFormedToken(prefix, text)).toBe(wellFormed);
  });

  it.each(['qms', 'qmo'] as const)(
    'have 53 characters as %s tokens, are well formed, and of their own kind only',
    (prefix) => {
      const token = newToken(prefix);
      expect(token).toMatch(/^qm[esow]_[0-9A-Za-z]{49}$/);
      expect(isWellFormedToken(prefix, token)).toBe(true);
      expect(isWellFormedToken(prefix === 'qms' ? 'qmo' : 'qms', token)).toBe(false);
    },
  );

  it('are never the same twice, and use the alphabet evenly', () => {
    const tokens = Array.from({ length: 3000 }, () => newToken('qms'));
    expect(new Set(tokens).size).toBe(3000);
    const counts = new Map<string, number>();
    for (const char of tokens.map((token) => token.slice(4, 47)).join(''))
      counts.set(char, (counts.get(char) ?? 0) + 1);
    // 129,000 draws over 62 characters: 2,081 each, standard deviation 45.
    for (const char of BASE62)
      expect(Math.abs((counts.get(char) ?? 0) - 2081)).toBeLessThan(45 * 7);
  });

  it('have one text each: no change of one character is well formed', () => {
    const token = newToken('qms');
    for (let i = 0; i < token.length; i++) {
      for (const char of `${BASE62}-_=`) {
        const other = token.slice(0, i) + char + token.slice(i + 1);
        if (other !== token) expect(isWellFormedToken('qms', other)).toBe(false);
      }
    }
  });
});
