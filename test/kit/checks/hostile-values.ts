import { expect } from '@jest/globals';
import fc from 'fast-check';
import { BrokerError } from '../../../src/domain/errors.ts';
import { anyCharacter } from './characters.ts';

/** Generates any text, and the valid text with parts repeated, cut or replaced. */
export function hostileText(valid: string): fc.Arbitrary<string> {
  const mutated = fc
    .record({
      at: fc.nat(valid.length),
      cut: fc.nat(8),
      into: fc.oneof(fc.string({ unit: anyCharacter, maxLength: 12 }), fc.constant('\u0000')),
      times: fc.nat(40),
    })
    .map(
      ({ at, cut, into, times }) => valid.slice(0, at) + into.repeat(times) + valid.slice(at + cut),
    );
  return fc.oneof(fc.string({ unit: anyCharacter, maxLength: 200 }), mutated);
}

/** Generates any bytes, and the valid bytes with a part removed, replaced, or all after it cut off. */
export function hostileBytes(valid: Uint8Array): fc.Arbitrary<Buffer> {
  const mutated = fc
    .record({
      at: fc.nat(valid.length),
      cut: fc.oneof(fc.nat(8), fc.constant(valid.length)),
      into: fc.uint8Array({ maxLength: 12 }),
    })
    .map(({ at, cut, into }) =>
      Buffer.concat([valid.subarray(0, at), into, valid.subarray(at + cut)]),
    );
  const any = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes));
  return fc.oneof(any, mutated);
}

/** Names that change an object instead of being a member of it, or that parsers look for. */
const NAMES = [
  '__proto__',
  'constructor',
  'toString',
  'metadata',
  'spec',
  'data',
  'auth',
  'status',
];

/** Generates any JSON value, and the valid one with one of its parts replaced or removed, or a member added to it. */
export function hostileValue(valid: unknown): fc.Arbitrary<unknown> {
  const any = fc.oneof(
    fc.jsonValue({ maxDepth: 5 }),
    fc.dictionary(fc.constantFrom(...NAMES), fc.jsonValue({ maxDepth: 3 })),
  );
  const parts = pointersIn(valid);
  const mutated = fc
    .tuple(fc.constantFrom(...parts), fc.option(any, { nil: undefined }), fc.constantFrom(...NAMES))
    .map(([at, part, name]) => changed(valid, at, (old) => mutate(old, part, name)));
  return fc.oneof(any, mutated);
}

/** Removes the part, replaces it, or adds a member to it. */
function mutate(old: unknown, part: unknown, name: string): unknown {
  const isObject = typeof old === 'object' && old !== null && !Array.isArray(old);
  // Like `JSON.parse`, this defines a member of the name `__proto__`; an assignment would set the prototype.
  if (isObject && typeof part === 'string')
    return Object.fromEntries([...Object.entries(old), [name, 1]]);
  return part;
}

type Path = readonly (string | number)[];

function pointersIn(value: unknown, at: Path = []): readonly Path[] {
  if (typeof value !== 'object' || value === null) return [at];
  const members = Array.isArray(value) ? [...value.entries()] : Object.entries(value);
  return [at, ...members.flatMap(([name, each]) => pointersIn(each, [...at, name]))];
}

function changed(
  value: unknown,
  [name, ...rest]: Path,
  change: (old: unknown) => unknown,
): unknown {
  if (name === undefined) return change(value);
  const copy = (
    Array.isArray(value) ? [...(value as unknown[])] : { ...(value as object) }
  ) as Record<string | number, unknown>;
  copy[name] = changed(copy[name], rest, change);
  return copy;
}

/** Runs the parser. Its only errors may be the broker's own, which have a code and disclose nothing, or of the given class. */
export function parses(
  parse: () => unknown,
  refusal: new (...parts: never[]) => Error = BrokerError,
): void {
  try {
    parse();
  } catch (error) {
    expect(error).toBeInstanceOf(refusal);
  }
}

/** Parses like `parses`, for a parser that is asynchronous. */
export async function parsesSoon(
  parse: () => Promise<unknown>,
  refusal: new (...parts: never[]) => Error = BrokerError,
): Promise<void> {
  try {
    await parse();
  } catch (error) {
    expect(error).toBeInstanceOf(refusal);
  }
}
