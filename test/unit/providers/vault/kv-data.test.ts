import { describe, expect, it } from '@jest/globals';
import { toSecretData } from '../../../../src/providers/vault/kv-data.ts';

const MALFORMED = expect.objectContaining({ code: 'ERR_PROVIDER_MALFORMED' }) as unknown;

describe('a KV object as a secret', () => {
  it('keeps strings and turns other values into their JSON text', () => {
    const value = { s: '', n: 1.5, b: false, z: null, o: { a: [1, 'x'] } };
    expect(toSecretData(value)).toEqual({
      s: '',
      n: '1.5',
      b: 'false',
      z: 'null',
      o: '{"a":[1,"x"]}',
    });
  });

  it('keeps keys that are special to JavaScript as keys', () => {
    const data = toSecretData(JSON.parse('{"__proto__":"a","constructor":"b","toString":"c"}'));
    expect(Object.entries(data)).toEqual([
      ['__proto__', 'a'],
      ['constructor', 'b'],
      ['toString', 'c'],
    ]);
    expect(Object.getPrototypeOf(data)).toBe(Object.getPrototypeOf({}));
  });

  it.each([undefined, null, 'text', 7, [], {}, { a: '\ud800' }, { '\udc00': 'a' }])(
    'is refused for %j',
    (value) => expect(() => toSecretData(value)).toThrow(MALFORMED),
  );

  it('has at most 256 keys', () => {
    const of = (keys: number) =>
      Object.fromEntries(Array.from({ length: keys }, (_, i) => [`k${i}`, '']));
    expect(Object.keys(toSecretData(of(256)))).toHaveLength(256);
    expect(() => toSecretData(of(257))).toThrow(MALFORMED);
  });
});
