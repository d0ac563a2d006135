import { expect, it } from '@jest/globals';
import { assertCountable } from '../../../../src/net/https/countable-json.ts';

it('reads a text with too many values no further than their limit', () => {
  let reached = 0;
  const lists = new Proxy(Buffer.alloc(100_000, '['), {
    get(bytes, key) {
      reached = Math.max(reached, Number(key) || 0);
      return Reflect.get(bytes, key) as unknown;
    },
  });
  expect(() => assertCountable(lists, 10)).toThrow('too_many_values');
  expect(reached).toBe(10);
});
