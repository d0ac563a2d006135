import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { glob } from '../../../../src/domain/words/glob.ts';

describe('a glob', () => {
  it.each([
    ['prod', 'prod', true],
    ['prod', 'prod/a', false],
    ['prod-*', 'prod-east', true],
    ['prod-*', 'prod', false],
    ['*', 'a/b', false],
    ['**', 'a/b/c', true],
    ['registry.test/**', 'registry.test/team/web', true],
    ['registry.test/**', 'registry.test.evil/team/web', false],
    ['registry.test/**', 'registry.test', true],
    ['**/web', 'registry.test/team/web', true],
    ['**/web', 'registry.test/team/webs', false],
    ['a/**/b/**/c', 'a/x/b/y/z/c', true],
    ['a/**/b/**/c', 'a/b/x', false],
    ['a.c', 'abc', false],
  ])('matches or does not, %s on %s: %s', (pattern, text, expected) => {
    expect(glob(pattern)(text)).toBe(expected);
  });

  it('matches itself if it has no wildcard, whatever its characters', () => {
    const plain = fc.string().filter((text) => !text.includes('*'));
    fc.assert(fc.property(plain, (text) => glob(text)(text)));
  });
});
