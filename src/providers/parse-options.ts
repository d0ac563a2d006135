import type * as z from 'zod';
import { BrokerError } from '../domain/errors.ts';
import { fieldProblems, fieldWords } from '../domain/words/schema-words.ts';

/**
 * Parses a document's options or reference with the strict schema of a provider or a rotation strategy.
 * @throws ERR_BODY_INVALID with problems; their pointers are relative to the input.
 */
export function parseOptions<Schema extends z.ZodType>(
  schema: Schema,
  given: unknown,
): z.output<Schema> {
  const parsed = schema.safeParse(given, { error: fieldWords() });
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.flatMap((issue) => fieldProblems(issue));
  throw new BrokerError('ERR_BODY_INVALID', undefined, { problems });
}
