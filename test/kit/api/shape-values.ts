import fc, { type Arbitrary } from 'fast-check';
import { anyCharacter, noControlCharacter } from '../checks/characters.ts';

/** A schema of openapi.yaml, as far as requests use its keywords. */
export interface Shape {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly oneOf?: readonly Shape[];
  readonly anyOf?: readonly Shape[];
  readonly properties?: Readonly<Record<string, Shape>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: Shape | boolean;
  readonly propertyNames?: Shape;
  readonly minProperties?: number;
  readonly maxProperties?: number;
  readonly items?: Shape;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly uniqueItems?: boolean;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly pattern?: string;
  readonly format?: string;
  readonly contentEncoding?: string;
  readonly minimum?: number;
  readonly maximum?: number;
}

/** The schemas of the contract, and the texts of those whose members no pattern can describe. */
export interface Shapes {
  readonly schemas: Readonly<Record<string, Shape>>;
  readonly texts: Readonly<Record<string, readonly string[]>>;
}

const MOST_ITEMS = 3;
/** Length beyond each bound of a text that the contract does not give. */
const LONG = 3_000;
const NO_CONTROL_CHARACTERS = String.raw`^\P{Cc}+$`;

/** A shape is built once: large ones take seconds, and many operations have them in common. */
const built = new WeakMap<Shapes, WeakMap<Shape, Arbitrary<unknown>>>();

export function valuesOf(shape: Shape, shapes: Shapes): Arbitrary<unknown> {
  const known = built.get(shapes) ?? new WeakMap<Shape, Arbitrary<unknown>>();
  built.set(shapes, known);
  const values = known.get(shape) ?? buildValues(shape, shapes);
  known.set(shape, values);
  return values;
}

function buildValues(shape: Shape, shapes: Shapes): Arbitrary<unknown> {
  const inner = (each: Shape): Arbitrary<unknown> => valuesOf(each, shapes);
  if (shape.$ref !== undefined) return namedValues(shape.$ref, shapes);
  if ('const' in shape) return fc.constant(shape.const);
  if (shape.enum !== undefined) return fc.constantFrom(...shape.enum);
  const variants = shape.oneOf ?? shape.anyOf;
  if (variants !== undefined) return fc.oneof(...variants.map(inner));
  if (Array.isArray(shape.type)) {
    return fc.oneof(...(shape.type as string[]).map((type) => inner({ ...shape, type })));
  }
  return typedValues(shape, inner);
}

function namedValues(reference: string, shapes: Shapes): Arbitrary<unknown> {
  const name = reference.slice(reference.lastIndexOf('/') + 1);
  const texts = shapes.texts[name];
  if (texts !== undefined) return fc.constantFrom(...texts);
  const shape = shapes.schemas[name];
  if (shape === undefined) throw new Error(`the contract has no schema ${name}`);
  return valuesOf(shape, shapes);
}

function typedValues(
  shape: Shape,
  inner: (shape: Shape) => Arbitrary<unknown>,
): Arbitrary<unknown> {
  const { minimum = -1_000_000, maximum = 1_000_000 } = shape;
  switch (String(shape.type)) {
    case 'object':
      return objects(shape, inner);
    case 'array': {
      const { items = {}, minItems = 0, maxItems = MOST_ITEMS } = shape;
      const maxLength = Math.max(minItems, Math.min(maxItems, MOST_ITEMS));
      const bounds = { minLength: minItems, maxLength };
      return shape.uniqueItems === true
        ? fc.uniqueArray(inner(items), { ...bounds, selector: (item) => JSON.stringify(item) })
        : fc.array(inner(items), bounds);
    }
    case 'string':
      return texts(shape);
    case 'integer':
      return fc.oneof(
        fc.constantFrom(minimum, maximum),
        fc.integer({ min: minimum, max: maximum }),
      );
    case 'number':
      return fc.integer();
    case 'boolean':
      return fc.boolean();
    case 'null':
      return fc.constant(null);
    default:
      return fc.constantFrom<unknown>(null, 'text', 7, true, ['a'], { a: { b: 1 } });
  }
}

function objects(shape: Shape, inner: (shape: Shape) => Arbitrary<unknown>): Arbitrary<unknown> {
  const { properties = {}, required = [], additionalProperties } = shape;
  const fields = Object.fromEntries(
    Object.entries(properties).map(([name, each]) => [name, inner(each)]),
  );
  const named = fc.record(fields, { requiredKeys: [...required] });
  if (typeof additionalProperties !== 'object') return named;
  const { propertyNames = { type: 'string', minLength: 1, maxLength: 20 } } = shape;
  const keys = inner({ type: 'string', ...propertyNames }) as Arbitrary<string>;
  const minKeys = shape.minProperties ?? 0;
  const others = fc.dictionary(
    keys.filter((key) => key !== '__proto__'),
    inner(additionalProperties),
    { minKeys, maxKeys: Math.max(minKeys, MOST_ITEMS) },
  );
  return fc.tuple(others, named).map(([added, fixed]) => ({ ...added, ...fixed }));
}

/** JSON bodies have no NUL and no lone surrogate: the reader of every body refuses them. */
const characters = fc
  .string({ unit: anyCharacter, minLength: 1, maxLength: 1 })
  .filter((each) => each !== '\0' && each.isWellFormed());

function texts(shape: Shape): Arbitrary<string> {
  const { minLength = 0, maxLength = LONG, pattern, format, contentEncoding } = shape;
  if (format === 'date-time') return instants;
  if (contentEncoding === 'base64') {
    return fc.uint8Array().map((bytes) => Buffer.from(bytes).toString('base64'));
  }
  if (pattern !== undefined) {
    const matching =
      pattern === NO_CONTROL_CHARACTERS
        ? fc.string({ unit: noControlCharacter, minLength: 1 })
        : fc.stringMatching(new RegExp(pattern, 'u'));
    return matching.filter(
      (text) => text.length >= minLength && text.length <= maxLength && !text.includes('\0'),
    );
  }
  return fc.oneof(
    fc.string({ minLength, maxLength: Math.min(maxLength, 30) }),
    fc.string({ unit: characters, minLength, maxLength: Math.min(maxLength, 30) }),
    fc.constantFrom('x'.repeat(Math.max(minLength, 1)), 'x'.repeat(maxLength)),
  );
}

const instants = fc
  .date({ min: new Date('2000-01-01'), max: new Date('2100-01-01'), noInvalidDate: true })
  .map((date) => date.toISOString());

const FOREIGN: readonly unknown[] = [
  null,
  true,
  0,
  -1,
  1.5,
  10 ** 12,
  '',
  ' ',
  'x'.repeat(LONG),
  [],
  {},
  ['x'],
  { x: 1 },
];

/** A value with one part changed: a member added or removed, or a part replaced by a value that may be of another type. */
export function mutated(value: unknown): Arbitrary<unknown> {
  const places = placesIn(value);
  return fc.constantFrom(...places).chain((place) => changesAt(value, place));
}

type Place = readonly (string | number)[];

function placesIn(value: unknown, at: Place = []): readonly Place[] {
  if (typeof value !== 'object' || value === null) return [at];
  const inner = Object.entries(value).flatMap(([key, each]) =>
    placesIn(each, [...at, Array.isArray(value) ? Number(key) : key]),
  );
  return [at, ...inner];
}

function changesAt(value: unknown, place: Place): Arbitrary<unknown> {
  const part = place.reduce<unknown>((each, key) => (each as Record<string, unknown>)[key], value);
  const changes: unknown[] = [...FOREIGN];
  if (Array.isArray(part)) {
    changes.push(
      [...part, ...part],
      Array.from({ length: 1_100 }, (): unknown => part[0] ?? 'x'),
      part.slice(1),
    );
  } else if (typeof part === 'object' && part !== null) {
    changes.push({ ...part, surplus: 'x' });
    for (const key of Object.keys(part)) {
      changes.push(Object.fromEntries(Object.entries(part).filter(([name]) => name !== key)));
    }
  } else if (typeof part === 'string') {
    changes.push(`${part} `, `${part}\n`, part.toUpperCase(), `${part}${part}`);
  }
  return fc.constantFrom(...changes).map((changed) => replaced(value, place, changed));
}

function replaced(value: unknown, [key, ...rest]: Place, part: unknown): unknown {
  if (key === undefined) return part;
  if (Array.isArray(value)) {
    return value.map((each: unknown, at) => (at === key ? replaced(each, rest, part) : each));
  }
  const fields = value as Record<string, unknown>;
  return { ...fields, [key]: replaced(fields[key], rest, part) };
}
