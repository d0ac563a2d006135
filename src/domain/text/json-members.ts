import { BrokerError } from '../errors.ts';

interface SourceText {
  readonly source: string;
}
/** TypeScript 6 lacks the types of this API; Node 24 has it (ECMAScript JSON.parse source text access). */
const json = JSON as unknown as {
  parse(
    text: string,
    reviver: (key: string, value: unknown, context: SourceText) => unknown,
  ): unknown;
  rawJSON(text: string): unknown;
};

/**
 * The members of a text that is a JSON object. Numbers keep their digits when they are printed again. Undefined for text that only looks like JSON.
 * @throws ERR_PROVIDER_MALFORMED if it is nested too deep.
 */
export function parseMembers(text: string): Readonly<Record<string, unknown>> | undefined {
  if (!text.trimStart().startsWith('{')) return undefined;
  try {
    return json.parse(text, (_key, value, context) =>
      typeof value === 'number' ? json.rawJSON(context.source) : value,
    ) as Record<string, unknown>;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw new BrokerError('ERR_PROVIDER_MALFORMED', undefined, { reason: 'too_deep' });
  }
}

/** A member as the value of a secret: a string unchanged, any other value as its JSON text. */
export function memberText(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
