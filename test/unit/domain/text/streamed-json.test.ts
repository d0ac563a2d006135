import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { MalformedStream, StreamedJson } from '../../../../src/domain/text/streamed-json.ts';
import { anyCharacter } from '../../../kit/checks/characters.ts';

const EVENT = { id: true, verb: true, object: { name: true, code: true } } as const;
const SHAPE = { list: 'items', item: EVENT, root: { kind: true } } as const;

/** The items and the root of a text that arrives in pieces of this size. */
function readIn(size: number, text: string): readonly [items: unknown[], root: unknown] {
  const stream = new StreamedJson(SHAPE);
  const bytes = Buffer.from(text);
  const items: unknown[] = [];
  for (let at = 0; at < bytes.length; at += size) {
    stream.write(bytes.subarray(at, at + size));
    items.push(...stream.takeItems());
  }
  stream.end();
  return [items, stream.root];
}

const scalar = fc.oneof(
  fc.string({ unit: anyCharacter }),
  fc.double({ noDefaultInfinity: true, noNaN: true }),
  fc.boolean(),
  fc.constant(null),
);
const event = fc.record({
  id: scalar,
  verb: scalar,
  object: fc.record({ name: scalar, code: scalar }),
});

describe('a stream of JSON', () => {
  it('has the wanted members of each item, as JSON.parse reads them, wherever it is cut', () => {
    const unwanted = fc.dictionary(
      fc.string().map((name) => `x-${name}`),
      fc.jsonValue(),
    );
    const item = fc.tuple(event, unwanted);
    fc.assert(
      fc.property(
        fc.array(item, { maxLength: 4 }),
        fc.integer({ min: 1, max: 40 }),
        unwanted,
        (drawn, size, more) => {
          const items = drawn.map(([wanted, other]) => ({
            ...other,
            ...wanted,
            object: { ...other, ...wanted.object },
          }));
          const text = JSON.stringify({ ...more, kind: 'List', items, later: 1 }, null, size % 3);
          const wanted = JSON.parse(JSON.stringify(drawn.map(([own]) => own))) as unknown;
          expect(readIn(size, text)).toEqual([wanted, { kind: 'List' }]);
        },
      ),
    );
  });

  it('passes over what it does not want, however large and deep it is', () => {
    const args = `"${'\\"a'.repeat(100_000)}"`;
    const deep = `${'['.repeat(100_000)}"]}"${']'.repeat(100_000)}`;
    const text = `{"args":${args},"items":[{"deep":${deep},"id":"a","args":${args}},7,{"id":"b"}],"kind":"List"}`;
    expect(readIn(1_000, text)).toEqual([[{ id: 'a' }, { id: 'b' }], { kind: 'List' }]);
  });

  it('leaves out a wanted text that is too long, and a wanted member of another type', () => {
    const items = [{ id: 'x'.repeat(4_097), verb: ['a'], object: 'b' }, { id: { object: {} } }];
    expect(readIn(7, JSON.stringify({ items }))[0]).toEqual([{ object: 'b' }, {}]);
  });

  it('keeps the start of a wanted text, whatever the cut divides', () => {
    const shape = { list: 'items', item: {}, root: { uri: 'start' } } as const;
    const unit = fc.constantFrom('a', '"', '\\', '\u0001', 'é', '\u{1f511}', '<');
    const repeated = fc.array(unit, { minLength: 1, maxLength: 30 }).map((units) => units.join(''));
    fc.assert(
      fc.property(repeated, fc.integer({ min: 100, max: 5_000 }), (some, times) => {
        const uri = some.repeat(times).slice(0, 9_000).toWellFormed();
        const stream = new StreamedJson(shape);
        stream.write(Buffer.from(JSON.stringify({ uri })));
        stream.end();
        const start = stream.root['uri'] as string;
        expect(uri.startsWith(start)).toBe(true);
        expect(start === uri || Buffer.from(JSON.stringify(start)).length > 4_090).toBe(true);
      }),
    );
  });

  it.each([
    '',
    '[]',
    '{',
    '{"kind":"a"',
    '{"kind":"a"} {}',
    '{"kind":a}',
    '{"kind":"a" "b":1}',
    '{"items":[{"id":"a"}',
    '{"items":[{"id":"\\x"}]}',
    '{"items":[{"id":"\u0007"}]}',
    '{"other":"a',
    '{"other":{',
    '{"other":}',
    `{"kind":${'1'.repeat(100)}}`,
  ])('refuses %j', (text) => {
    expect(() => readIn(3, text)).toThrow(MalformedStream);
    expect(() => readIn(1_000, text)).toThrow(MalformedStream);
  });

  it('gives the items before a fault', () => {
    const stream = new StreamedJson(SHAPE);
    const text = Buffer.from('{"items":[{"id":"a"},{]}');
    expect(() => stream.write(text)).toThrow(MalformedStream);
    expect(stream.takeItems()).toEqual([{ id: 'a' }]);
  });

  it('refuses bytes that are not UTF-8 in a wanted text', () => {
    const stream = new StreamedJson(SHAPE);
    const bytes = Buffer.concat([Buffer.from('{"kind":"'), Buffer.from([0xff]), Buffer.from('"}')]);
    expect(() => stream.write(bytes)).toThrow(MalformedStream);
  });
});
