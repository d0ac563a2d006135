import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { parsePolicy } from '../../../../src/domain/policy/index.ts';
import { fieldProblems, fieldWords } from '../../../../src/domain/words/schema-words.ts';
import { BrokerError } from '../../../../src/domain/errors.ts';

const schema = z.strictObject({ leaseTtl: z.string(), inner: z.strictObject({}).optional() });

function messages(body: unknown): readonly string[] {
  const { error } = schema.safeParse(body, { error: fieldWords() });
  return (error?.issues ?? [])
    .flatMap((issue) => fieldProblems(issue))
    .map(({ pointer, message }) => `${pointer} ${message}`);
}

describe('the problem of an unknown field', () => {
  it.each([
    ['leaseTTL', 'is not a known field; did you mean "leaseTtl"?'],
    ['lease', 'is not a known field'],
    ['lx', 'is not a known field'],
  ])('names, if one is near, the known field for %p', (key, message) => {
    expect(messages({ leaseTtl: '1h', [key]: 1 })).toEqual([`/${key} ${message}`]);
  });

  it('guesses for the first twenty fields only', () => {
    const keys = Array.from({ length: 30 }, (_, index) => `leaseTt${index}`);
    const found = messages(Object.fromEntries(keys.map((key) => [key, 1])));
    expect(found.filter((each) => each.includes('did you mean'))).toHaveLength(20);
    expect(found.filter((each) => each.includes('is not a known field'))).toHaveLength(30);
  });

  it('names the field of a policy too', () => {
    const rule = { name: 'r', efect: 'allow', paths: ['a/**'], capabilities: ['read'] };
    const parse = () => parsePolicy({ apiVersion: 'quaymaster.dev/v1', spec: { rules: [rule] } });
    expect(parse).toThrow(BrokerError);
    try {
      parse();
    } catch (error) {
      expect((error as BrokerError).problems).toContainEqual({
        pointer: '/spec/rules/0/efect',
        message: 'is not a known field; did you mean "effect"?',
      });
    }
  });
});
