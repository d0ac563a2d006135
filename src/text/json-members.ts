import { BrokerError } from '../domain/errors.ts';

interface SourceText {
  readonly source: string;
}
/** TypeScript 6 does not know these yet; Node 24 has them (ECMAScript JSON.parse source text access). */
const json = JSON as unknown as {
  parse(
    text: string,
    reviver: (key: string, value: unknown, context: SourceText) => unknown,
  ): unknown;
  rawJSON(text: string): unknown;
};

/**
 * The members of a text that is a JSON object; printed again, numbers have the digits they came with. undefined for text that is not JSON:
 * it only looked like it. @throws ERR_PROVIDER_MALFORMED when nested too deep.
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

/** A member as a secret's value: a string as it is, anything else as its JSON text. */
export function memberText(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
