import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { parseStrictObject } from '../../../../src/domain/text/strict-json.ts';
import { BrokerError } from '../../../../src/domain/errors.ts';

const refused = (reason: string): BrokerError =>
  new BrokerError('ERR_TOKEN_INVALID', undefined, { reason });
const parse = (text: string): unknown => parseStrictObject(Buffer.from(text), refused);
const reasonOf = (text: string): string | undefined => {
  try {
    parse(text);
  } catch (error) {
    return error instanceof BrokerError ? error.reason : 'another error';
  }
  return undefined;
};

describe('strict JSON', () => {
  it.each([
    '{"sub":"a","sub":"b"}',
    '{"sub":"a" , "sub"\t:\n"a"}',
    '{"sub":"a","s\\u0075b":"b"}',
    '{"\\u0073ub":"a","s\\u0075b":"b"}',
    '{"a":{"b":1,"b":2}}',
    '{"a":[{"b":1},{"c":[{"d":1,"d":1}]}]}',
    '{"":1,"":2}',
    '{"__proto__":1,"__proto__":2}',
    '{"a\\"":1,"a\\u0022":2}',
    '{"a":"}","a":"{"}',
  ])('refuses a member named twice: %s (J21)', (text) => {
    expect(reasonOf(text)).toBe('duplicate_claim');
  });

  it.each([
    '{"a":{"b":1},"b":{"a":1}}',
    '{"a":[{"b":1},{"b":2}]}',
    '{"a":"a","b":"a"}',
    '{"a\\\\":1,"a":2}',
    '{"a":"\\",\\"a\\":1","b":"{\\"b\\":1}"}',
    '{"sub":1,"Sub":2}',
    '{ }',
  ])('accepts text that only looks like a duplicate: %s', (text) => {
    expect(parse(text)).toEqual(JSON.parse(text));
  });

  it('never loses one of two members whose names differ only in an escape', () => {
    // Before, V8 expects the name that it mistakes the other one for.
    for (let i = 0; i < 100; i += 1) parse('{"\\\\":1}');
    for (const text of ['{"\\"":1,"\\\\":2}', '{"\\\\":2,"\\"":1}']) {
      if (reasonOf(text) === undefined) expect(parse(text)).toEqual({ '"': 1, '\\': 2 });
      else expect(reasonOf(text)).toBe('duplicate_claim');
    }
    for (const text of [
      '{"\\"":[],"\\"":[]}',
      '{"a":{"\\"":1 ,"b":"c:","\\"" : 2}}',
      '{"\\u0061":1,"a":2}',
    ])
      expect(reasonOf(text)).toBe('duplicate_claim');
  });

  it('refuses a deeper nesting than any token has', () => {
    const nested = (depth: number): string => `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`;
    expect(reasonOf(nested(16))).toBeUndefined();
    expect(reasonOf(nested(17))).toBe('malformed');
    expect(reasonOf(`{"a":${'['.repeat(5_000)}${']'.repeat(5_000)}}`)).toBe('malformed');
  });

  it.each([
    '',
    ' ',
    'nul',
    '[]',
    '"a"',
    '{"a":1}{}',
    '{"a":1,}',
    "{'a':1}",
    '{"a":NaN}',
    '{"a":"\n"}',
  ])('refuses text that is not one object: %j', (text) => {
    expect(reasonOf(text)).toBe('malformed');
  });

  it('reads any object without duplicates as JSON.parse does', () => {
    const object = fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 4 }));
    fc.assert(
      fc.property(object, fc.nat(3), (value, space) => {
        const text = JSON.stringify(value, undefined, space);
        expect(parse(text)).toEqual(JSON.parse(text));
      }),
    );
  });

  it('finds any duplicate, at any position', () => {
    const pair = fc.tuple(fc.string(), fc.jsonValue(), fc.dictionary(fc.string(), fc.jsonValue()));
    fc.assert(
      fc.property(pair, ([name, value, rest]) => {
        const members = Object.entries(rest).map(
          ([key, member]) => `${JSON.stringify(key)}:${JSON.stringify(member)}`,
        );
        const twice = `${JSON.stringify(name)}:${JSON.stringify(value)}`;
        const inner = `{${[twice, ...members, twice].join(',')}}`;
        expect(reasonOf(inner)).toBe('duplicate_claim');
        expect(reasonOf(`{"outer":[1,${inner}]}`)).toBe('duplicate_claim');
      }),
    );
  });
});
