import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { pathOf, pointerTo } from '../../../../src/domain/words/json-pointer.ts';

describe('JSON pointers', () => {
  it.each([
    ['', []],
    ['/foo', ['foo']],
    ['/foo/0', ['foo', '0']],
    ['/', ['']],
    ['/a~1b', ['a/b']],
    ['/m~0n', ['m~n']],
    ['/~01', ['~1']],
  ])('write and read the example %j of RFC 6901', (pointer, path) => {
    expect(pointerTo(path)).toBe(pointer);
    expect(pathOf(pointer)).toEqual(path);
  });

  it('return the same path for every member name', () => {
    const name = fc.oneof(fc.string(), fc.constantFrom('~', '/', '~1', '~0', '~01', ''));
    fc.assert(fc.property(fc.array(name), (path) => expect(pathOf(pointerTo(path))).toEqual(path)));
  });
});
