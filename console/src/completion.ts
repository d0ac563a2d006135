import type { Completion, CompletionContext, CompletionResult } from '@codemirror/autocomplete';
import { call } from './client.ts';

/** A schema of the contract, as far as completion reads it. */
export interface JsonSchema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly description?: string;
  readonly enum?: readonly (string | number | boolean)[];
  readonly const?: string | number | boolean;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly items?: JsonSchema;
  readonly allOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
  readonly anyOf?: readonly JsonSchema[];
}

type Schemas = Readonly<Record<string, JsonSchema>>;

let contract: Promise<Schemas> | undefined;

/** The schemas of the broker that serves the page, loaded once. */
export function loadSchemas(): Promise<Schemas> {
  contract ??= call('readOpenApi').then((loaded) => {
    const { components } = loaded as { readonly components: { readonly schemas: Schemas } };
    return components.schemas;
  });
  contract.catch(() => (contract = undefined));
  return contract;
}

/** An element of a list, in the place of a key. */
const ITEM = '[]';
const LINE = /^(\s*)((?:- +)*)(?:([\w./-]+):(?:\s+(\S.*))?)?/;

interface Parsed {
  /** Column of the first character. */
  readonly start: number;
  readonly dashes: number;
  /** Column behind the dashes. */
  readonly column: number;
  readonly key: string | undefined;
  readonly hasValue: boolean;
}

function parse(text: string): Parsed {
  const [, space = '', dashes = '', key, value] = LINE.exec(text) ?? [];
  return {
    start: space.length,
    dashes: dashes.split('-').length - 1,
    column: space.length + dashes.length,
    key,
    hasValue: value !== undefined,
  };
}

/**
 * The keys that enclose the last line, by indentation: a text that a person types is mostly no valid YAML. Flow style is not read.
 */
function enclosingKeys(lines: readonly string[]): readonly string[] {
  const [last = '', ...above] = [...lines].reverse();
  const path: string[] = [];
  let { indent, isItem } = enter(parse(last), path);
  for (const text of above) {
    if (/^\s*(?:#|$)/.test(text)) continue;
    const line = parse(text);
    const { column, key, dashes } = line;
    const isOutside = column < indent || (isItem && column === indent && dashes === 0);
    const isParent = key !== undefined && !line.hasValue && isOutside;
    if (isParent) path.unshift(key);
    // A line such as "- name: x" begins the element that has the line below it.
    const isSibling = dashes > 0 && column === indent && !isItem;
    if (isParent || isSibling) ({ indent, isItem } = enter(line, path));
  }
  return path;
}

/** Adds the element of a list that the line begins. @returns the column to the left of which its parents are */
function enter(
  { start, dashes, column }: Parsed,
  path: string[],
): { readonly indent: number; readonly isItem: boolean } {
  if (dashes === 0) return { indent: column, isItem: false };
  path.unshift(ITEM);
  return { indent: start, isItem: true };
}

/** All alternatives of a schema, with the schemas that it names. */
function alternatives(schemas: Schemas, schema: JsonSchema, depth = 0): readonly JsonSchema[] {
  if (depth > 8) return [];
  const next = [
    ...(schema.allOf ?? []),
    ...(schema.oneOf ?? []),
    ...(schema.anyOf ?? []),
    ...(schema.$ref === undefined ? [] : [schemas[schema.$ref.replace(/^.*\//, '')] ?? {}]),
  ];
  return [schema, ...next.flatMap((each) => alternatives(schemas, each, depth + 1))];
}

function schemasAt(
  schemas: Schemas,
  root: JsonSchema,
  path: readonly string[],
): readonly JsonSchema[] {
  return path.reduce<readonly JsonSchema[]>(
    (found, key) =>
      found
        .flatMap(({ items, properties = {} }) => {
          const member = key === ITEM ? items : Object.hasOwn(properties, key) && properties[key];
          return member === undefined || member === false ? [] : [member];
        })
        .flatMap((each) => alternatives(schemas, each)),
    alternatives(schemas, root),
  );
}

function keyOptions(found: readonly JsonSchema[]): readonly Completion[] {
  return found.flatMap(({ properties = {}, required = [] }) =>
    Object.entries(properties).map(([name, { description }]): Completion => ({
      label: name,
      apply: `${name}: `,
      type: 'property',
      ...(required.includes(name) && { detail: 'required', boost: 1 }),
      ...(description !== undefined && { info: description }),
    })),
  );
}

function valueOptions(found: readonly JsonSchema[]): readonly Completion[] {
  return found.flatMap((schema) => {
    const isFlag = schema.type === 'boolean' && schema.enum === undefined;
    const values = schema.enum ?? (isFlag ? [true, false] : [schema.const]);
    return values
      .filter((value) => value !== undefined)
      .map((value): Completion => ({ label: String(value), type: 'constant' }));
  });
}

function unique(options: readonly Completion[]): readonly Completion[] {
  return [...new Map(options.map((each) => [each.label, each])).values()];
}

/** Completes keys and values of a document from the schemas of the contract. */
export function completeFrom(
  schemas: Schemas,
  root: JsonSchema,
): (context: CompletionContext) => CompletionResult | null {
  return ({ state, pos, explicit }) => {
    const line = state.doc.lineAt(pos);
    const before = line.text.slice(0, pos - line.from);
    const lines = state.sliceDoc(0, line.from).split('\n').slice(0, -1);
    const path = enclosingKeys([...lines, before]);
    const [, key, typed = ''] =
      /^[\s-]*(?:([\w./-]+):\s+)?[[{]?(?:.*,\s*)?([\w./-]*)$/.exec(before) ?? [];
    if (typed === '' && !explicit) return null;
    const found = schemasAt(schemas, root, key === undefined ? path : [...path, key]);
    const lists = found.flatMap(({ items }) =>
      items === undefined ? [] : alternatives(schemas, items),
    );
    const options =
      key === undefined
        ? [...keyOptions(found), ...valueOptions(found)]
        : [...valueOptions(found), ...valueOptions(lists)];
    return options.length === 0
      ? null
      : { from: pos - typed.length, options: unique(options), validFor: /^[\w./-]*$/ };
  };
}
