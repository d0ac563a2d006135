import { z } from 'zod';

/** One setting: its path with dots, `[]` for an item of a list, `<name>` for a free name, and its default as JSON. */
export interface Option {
  readonly place: string;
  readonly fallback: string | undefined;
}

interface JsonSchema {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly additionalProperties?: JsonSchema | false;
  readonly items?: JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
  readonly default?: unknown;
}

/** Lists every setting that a schema accepts, each path once. */
export function optionsOf(schema: z.ZodType): readonly Option[] {
  const json = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any', reused: 'inline' });
  const found = new Map<string, string | undefined>();
  visit(json as JsonSchema, '', found);
  return [...found].map(([place, fallback]) => ({ place, fallback }));
}

function visit(schema: JsonSchema, place: string, found: Map<string, string | undefined>): void {
  const variants = schema.anyOf ?? schema.oneOf;
  const inner = schema.additionalProperties;
  if (variants !== undefined) for (const variant of variants) visit(variant, place, found);
  else if (schema.properties !== undefined) {
    for (const [name, property] of Object.entries(schema.properties)) {
      visit(property, place === '' ? name : `${place}.${name}`, found);
    }
  } else if (typeof inner === 'object') visit(inner, `${place}.<name>`, found);
  else if (schema.items?.properties !== undefined || schema.items?.oneOf !== undefined) {
    visit(schema.items, `${place}[]`, found);
  } else found.set(place, known(found.get(place), schema.default));
}

/** A path that occurs in several variants has the default of the variant that sets one. */
function known(before: string | undefined, fallback: unknown): string | undefined {
  return fallback === undefined ? before : JSON.stringify(fallback);
}
