import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { prefixEnd } from '../../../../src/store/sql/prefix-end.ts';
import { anyCharacter } from '../../../kit/checks/characters.ts';

const before = (left: string, right: string): boolean =>
  Buffer.compare(Buffer.from(left), Buffer.from(right)) < 0;

describe('the first text after all texts with a prefix', () => {
  it.each([
    ['a/', 'a0'],
    ['\u007f', '\u0080'],
    ['\ud7ff', '\ue000'],
    ['a\u{10ffff}', 'b'],
    ['', undefined],
    ['\u{10ffff}\u{10ffff}', undefined],
  ])('follows %j and is %j', (prefix, expected) => {
    expect(prefixEnd(prefix)).toBe(expected);
  });

  it('is greater than every text with the prefix, and no text lies between', () => {
    const text = fc.string({ unit: anyCharacter, maxLength: 4 });
    fc.assert(
      fc.property(text, text, (prefix, other) => {
        const end = prefixEnd(prefix);
        const within = !before(other, prefix) && (end === undefined || before(other, end));
        expect(within).toBe(other.startsWith(prefix));
        expect(before(prefix + other, end ?? `${prefix}${other}x`)).toBe(true);
      }),
    );
  });
});
