import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  checkPasswordSpec,
  generatePassword,
  type CharacterClass,
  type PasswordSpec,
} from '../../../../src/crypto/random/generated-value.ts';

const DIGITS = '0123456789';
const PRINTABLE = Array.from({ length: 94 }, (_, at) => String.fromCharCode(0x21 + at)).join('');

const problemsAt = (pointer: string): object =>
  expect.objectContaining({
    code: 'ERR_BODY_INVALID',
    problems: [expect.objectContaining({ pointer })],
  });

describe('a generated password', () => {
  it('is 32 letters and digits by default', () => {
    expect(generatePassword({})).toMatch(/^[A-Za-z0-9]{32}$/);
  });

  it('is never the same twice', () => {
    const drawn = Array.from({ length: 1000 }, () => generatePassword({}));
    expect(new Set(drawn).size).toBe(1000);
  });

  it('uses every character of its alphabet about equally often', () => {
    const counts = new Map<string, number>();
    for (let at = 0; at < 1000; at += 1) {
      for (const character of generatePassword({ length: 94, alphabet: PRINTABLE })) {
        counts.set(character, (counts.get(character) ?? 0) + 1);
      }
    }
    expect(counts.size).toBe(94);
    // Mean 1000, standard deviation 31: a deviation of eight times that never occurs. The remainder of 256 by 94 would
    // give 68 characters half as much again.
    for (const count of counts.values()) expect(Math.abs(count - 1000)).toBeLessThan(250);
  });

  it('has required characters at no fixed position', () => {
    const first = new Set<string>();
    for (let at = 0; at < 400; at += 1) {
      const drawn = generatePassword({
        length: 20,
        require: ['digit', 'symbol', 'upper', 'lower'],
      });
      expect(drawn).toMatch(/^(?=.*\d)(?=.*[A-Z])(?=.*[a-z])(?=.*[-._~])[-.~\w]{20}$/);
      first.add(/\d/.test(drawn[0]!) ? 'digit' : /\w/.test(drawn[0]!) ? 'letter' : 'symbol');
    }
    expect([...first].sort()).toEqual(['digit', 'letter', 'symbol']);
  });

  it('leaves out excluded characters', () => {
    const drawn = generatePassword({ length: 200, exclude: '0O1lI' });
    expect(drawn).not.toMatch(/[0O1lI]/);
  });

  it.each<PasswordSpec>([
    { length: 34, alphabet: DIGITS },
    { length: 112, alphabet: 'ab' },
    { length: 18, alphabet: PRINTABLE },
    { length: 1024 },
    { exclude: '' },
    { require: [] },
    { require: ['digit', 'digit'] },
  ])('is drawn by %j', (spec) => {
    expect(generatePassword(spec)).toHaveLength(spec.length ?? 32);
  });

  it('has the alphabet, the length and the classes of any accepted rules', () => {
    const classes: readonly CharacterClass[] = ['upper', 'lower', 'digit', 'symbol'];
    const specs = fc.record(
      {
        length: fc.integer({ min: 1, max: 64 }),
        alphabet: fc
          .uniqueArray(fc.constantFrom(...PRINTABLE.split('')), { minLength: 1 })
          .map((all) => all.join('')),
        exclude: fc.string({ maxLength: 5 }),
        require: fc.subarray([...classes]),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(specs, (spec) => {
        try {
          checkPasswordSpec(spec);
        } catch (error) {
          expect(error).toMatchObject({ code: 'ERR_BODY_INVALID' });
          expect(() => generatePassword(spec)).toThrow(
            expect.objectContaining({ code: 'ERR_BODY_INVALID' }),
          );
          return;
        }
        const drawn = generatePassword(spec);
        expect(drawn).toHaveLength(spec.length ?? 32);
        for (const character of drawn) {
          if (spec.alphabet !== undefined) expect(spec.alphabet).toContain(character);
          expect(spec.exclude ?? '').not.toContain(character);
        }
      }),
    );
  });
});

describe('rules for a generated password (R08)', () => {
  it.each<readonly [string, PasswordSpec, string]>([
    ['one character', { length: 1 }, '/length'],
    ['no character', { length: 0 }, '/length'],
    ['a negative length', { length: -5 }, '/length'],
    ['half a character', { length: 20.5 }, '/length'],
    ['a length that is not a number', { length: Number.NaN }, '/length'],
    ['an infinite length', { length: Number.POSITIVE_INFINITY }, '/length'],
    ['more than is kept', { length: 1025 }, '/length'],
    ['111 bits', { length: 111, alphabet: 'ab' }, '/length'],
    ['a PIN', { length: 6, alphabet: DIGITS }, '/length'],
    ['33 digits', { length: 33, alphabet: DIGITS }, '/length'],
    ['one character over and over', { length: 1024, alphabet: 'a' }, '/length'],
    ['an empty alphabet', { alphabet: '' }, '/exclude'],
    ['all excluded', { alphabet: 'abc', exclude: 'cba' }, '/exclude'],
    ['all but one excluded', { length: 1024, alphabet: 'abc', exclude: 'ab' }, '/length'],
    [
      'a repeated character that would look like a choice',
      { length: 1024, alphabet: 'aab' },
      '/alphabet',
    ],
    ['a character outside the basic plane', { alphabet: `${DIGITS}ab\u{1f511}` }, '/alphabet'],
    ['a letter with two encodings', { alphabet: `${DIGITS}é` }, '/alphabet'],
    ['a lone surrogate', { alphabet: `${DIGITS}\ud83d` }, '/alphabet'],
    ['a control character', { alphabet: `${DIGITS}\n` }, '/alphabet'],
    ['NUL', { alphabet: `${DIGITS}\0` }, '/alphabet'],
    ['a space, which is trimmed somewhere', { alphabet: `${DIGITS} ` }, '/alphabet'],
    ['an exclusion that could never have been meant', { exclude: '\u0000' }, '/exclude'],
    [
      'a required class that the alphabet lacks',
      { alphabet: DIGITS, length: 40, require: ['upper'] },
      '/require',
    ],
    ['a required class that is excluded', { exclude: DIGITS, require: ['digit'] }, '/require'],
  ])('are refused with %s', (_what, spec, pointer) => {
    expect(() => checkPasswordSpec(spec)).toThrow(problemsAt(pointer));
    expect(() => generatePassword(spec)).toThrow(problemsAt(pointer));
  });

  it('are refused with classes that almost no text has, because drawing would take for ever', () => {
    const alphabet = `${PRINTABLE.replaceAll(/[A-Z0-9]/g, '')}A0`;
    const require: CharacterClass[] = ['upper', 'digit'];
    expect(generatePassword({ length: 24, alphabet, require })).toMatch(/^(?=.*A).*0|^(?=.*0).*A/);
    expect(() => checkPasswordSpec({ length: 4, alphabet, require })).toThrow(
      problemsAt('/require'),
    );
  });

  it('count the entropy that required classes remove', () => {
    const alphabet = `${PRINTABLE.replaceAll(/[A-Z0-9]/g, '')}A0`;
    expect(() => checkPasswordSpec({ length: 19, alphabet })).not.toThrow();
    expect(() => checkPasswordSpec({ length: 19, alphabet, require: ['digit'] })).toThrow(
      problemsAt('/length'),
    );
  });

  it('report which rules would be enough', () => {
    expect(() => checkPasswordSpec({ length: 6, alphabet: DIGITS })).toThrow(
      expect.objectContaining({
        problems: [
          {
            pointer: '/length',
            message: 'gives 19 bits of 10 characters; at least 112 are needed',
          },
        ],
      }),
    );
  });
});
