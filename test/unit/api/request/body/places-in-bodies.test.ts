import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { parseJson, parseYaml } from '../../../../../src/domain/text/parse-body.ts';

type Value = string | number | null | readonly Value[] | { readonly [name: string]: Value };

/** Every value with its pointer, as RFC 6901 writes it. */
function pointersOf(value: Value, at = ''): readonly string[] {
  if (typeof value !== 'object' || value === null) return [at];
  const entries = Object.entries(value);
  const within = entries.map(([name, child]) => {
    const part = name.replaceAll('~', '~0').replaceAll('/', '~1');
    return pointersOf(child, `${at}/${part}`);
  });
  return [at, ...within.flat()];
}

const { value } = fc.letrec<{ value: Value }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom<Value>('', 'a"b\\', '\\\\', '{"x":[', 7, -1.5e3, null),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(fc.constantFrom('a', 'b/c', '~d', '"', 'e\\f', '0', ''), tie('value')),
  ),
}));

describe('the position of a value in a body', () => {
  it('equals its line and column', () => {
    fc.assert(
      fc.property(value, fc.constantFrom(0, 1, 3), (document, indent) => {
        const text = JSON.stringify(document, undefined, indent);
        const body = parseJson(text);
        for (const pointer of pointersOf(document)) {
          const found = body.locate(pointer);
          const rest = text
            .split('\n')
            .slice(found!.line - 1)
            .join('\n')
            .slice(found!.column - 1);
          const wanted = pointer
            .split('/')
            .slice(1)
            .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
            .reduce<Value>((held, part) => (held as Record<string, Value>)[part]!, document);
          expect(rest.replaceAll(/\s/g, '')).toMatch(startOf(wanted));
        }
      }),
    );
  });

  it('is undefined without such a value', async () => {
    for (const body of [parseJson('{"a":[1,{"b":2}]}'), await parseYaml('a: [1, {b: 2}]')]) {
      for (const pointer of ['/b', '/a/2', '/a/b', '/a/0/x', '/a/1/b/c', '/length', '/a/length']) {
        expect(body.locate(pointer)).toBeUndefined();
      }
    }
  });
});

function startOf(wanted: Value): RegExp {
  const text = JSON.stringify(wanted).replaceAll(/\s/g, '');
  return new RegExp(`^${text.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)}`);
}
