import { describe, expect, it } from '@jest/globals';
import { exceededBound } from '../../../../src/domain/text/json-bounds.ts';

const BOUNDS = { depth: 3, values: 4, bare: 40 };
const exceeds = (text: string): string | undefined => exceededBound(text, BOUNDS);

describe('the bounds of a JSON text', () => {
  it.each([
    '[[[1]]]',
    '{"a":{"b":{"c":1}}}',
    '[1,2,3,4]',
    '{"a":1,"b":2,"c":3,"d":4}',
    '"[[[[[[,,,,,,,,,"',
    '["\\"[[[[,,,,,","\\\\","a"]',
    `["${'x'.repeat(1_000)}"]`,
    '',
    '"without an end [[[[[',
  ])('allow %s', (text) => {
    expect(exceeds(text)).toBeUndefined();
  });

  it.each([
    ['[[[[', 'depth'],
    ['{"a":[{"b":[', 'depth'],
    ['"\\\\"[[[[', 'depth'],
    ['[1,2,3,4,5]', 'values'],
    ['{"a":1,"b":[2,3],"c":4,"d":5', 'values'],
    [`[${' '.repeat(40)}`, 'bare'],
    ['1'.repeat(41), 'bare'],
  ])('refuse %s', (text, bound) => {
    expect(exceeds(text)).toBe(bound);
  });

  it('refuse without reading on (DI07)', () => {
    const long = '['.repeat(1_000_000);
    let read = 0;
    const counted = {
      length: long.length,
      charCodeAt: (at: number) => (read += 1) && long.charCodeAt(at),
    };
    expect(exceededBound(counted as unknown as string, BOUNDS)).toBe('depth');
    expect(read).toBe(4);
  });
});
