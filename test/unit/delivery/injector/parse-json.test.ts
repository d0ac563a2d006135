import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { parseInSteps } from '../../../../src/delivery/injector/parse-json.ts';

const MIB = 1024 * 1024;
const STEP = 65_536;

function parsed(text: string): { readonly value: unknown; readonly steps: readonly number[] } {
  const run = parseInSteps(text);
  const steps: number[] = [];
  for (;;) {
    const step = run.next();
    if (step.done === true) return { value: step.value, steps };
    steps.push(step.value);
  }
}

describe('incremental JSON parsing', () => {
  it('gives the result of JSON.parse for any text', () => {
    const value = fc
      .jsonValue({ maxDepth: 5 })
      .filter((one) => !JSON.stringify(one).includes('__proto__'));
    fc.assert(
      fc.property(value, fc.integer({ min: 0, max: 2 }), (one, indent) => {
        const text = JSON.stringify(one, null, indent);
        expect(parsed(text).value).toEqual(JSON.parse(text));
      }),
    );
  });

  it('refuses a changed text exactly if JSON.parse refuses it', () => {
    const text = '{"a":[1,-2.5e+3,true,null,"x\\u00e9\\"\\\\"],"b":{"c":""}}';
    const mutation = fc.tuple(
      fc.nat(text.length),
      fc.nat(2),
      fc.constantFrom(
        '"',
        '\\',
        '{',
        '}',
        '[',
        ']',
        ':',
        ',',
        '0',
        '.',
        '-',
        '+',
        'e',
        'u',
        '\n',
        '',
      ),
    );
    fc.assert(
      fc.property(fc.array(mutation, { minLength: 1, maxLength: 3 }), (mutations) => {
        let changed = text;
        for (const [at, removed, added] of mutations) {
          changed = changed.slice(0, at) + added + changed.slice(at + removed);
        }
        let expected: unknown;
        try {
          expected = JSON.parse(changed);
        } catch {
          expected = undefined;
        }
        expect(parsed(changed).value).toEqual(expected);
      }),
      { numRuns: 2_000 },
    );
  });

  it.each([
    ['characters without an escape', 'x'],
    ['quotes', '\\"'],
    ['backslashes', '\\\\'],
    ['escapes of six characters', '\\u00e9'],
    ['pairs of surrogates', '😀'],
    ['an escape after an odd number of characters', 'x\\u0041'],
  ])('keeps a long string of %s complete', (_what, unit) => {
    for (const before of ['', 'a', 'ab', 'abc', 'abcd', 'abcde']) {
      const text = `{"k":"${before}${unit.repeat(Math.ceil((3 * STEP) / unit.length))}"}`;
      expect(parsed(text).value).toEqual(JSON.parse(text));
    }
  });

  it.each([
    ['nothing', ''],
    ['a name that would be a prototype', '{"__proto__":{"a":1}}'],
    ['the same name, escaped', '{"\\u005f_proto__":{"a":1}}'],
    ['65 arrays within each other', '['.repeat(66) + ']'.repeat(66)],
    ['65 objects within each other', '{"a":'.repeat(66) + '1' + '}'.repeat(66)],
    ['more than 20,000 values', `[${'1,'.repeat(20_000)}1]`],
    ['a million brackets', '['.repeat(MIB)],
    ['many blanks', `[${' '.repeat(65_537)}1]`],
    ['many blanks between many values', `[${'1,    \n'.repeat(15_000)}1]`],
    ['a number of a million digits', `[${'1'.repeat(MIB)}]`],
    ['a string without an end', `["${'x'.repeat(MIB)}`],
    ['an escape without an end', `["${'x'.repeat(STEP - 2)}\\u00`],
    ['a quote inside of an escape', '["\\u00"x"]'],
    ['a line break in a string', '["\n"]'],
    ['two documents', '{}{}'],
  ])('refuses %s', (_what, text) => {
    expect(parsed(text).value).toBeUndefined();
  });

  it.each<[string, string]>([
    ['8,000 annotations', JSON.stringify(many(8_000, 'v'))],
    ['as many values as it may have', JSON.stringify(many(19_000, ''))],
    ['as many objects', JSON.stringify(Array.from({ length: 9_900 }, () => ({ a: 1 })))],
    ['long names', JSON.stringify(many(40, 'v', 'k'.repeat(70_000)))],
    ['a string of 3 MiB', JSON.stringify(['x'.repeat(3 * MIB)])],
    ['a string of escapes', JSON.stringify(['"'.repeat(MIB)])],
    ['strings that end where a step ends', JSON.stringify(Array(40).fill('x'.repeat(STEP - 64)))],
    ['strings that end behind a step', JSON.stringify(Array(40).fill('\\'.repeat(STEP / 2)))],
    ['a million brackets', '['.repeat(MIB)],
  ])('does the same bounded work in each step: %s (DI01)', (_what, text) => {
    const { steps } = parsed(text);
    for (const cost of steps) expect(cost).toBeLessThan(STEP + 70);
    const isRead = text[1] !== '[';
    if (isRead) expect(steps.length).toBeGreaterThanOrEqual(Math.floor(text.length / (STEP + 70)));
  });
});

/** An object with as many members. */
function many(count: number, value: string, name = 'quaymaster.dev/template-'): object {
  return Object.fromEntries(Array.from({ length: count }, (_, n) => [`${name}${n}`, value]));
}
