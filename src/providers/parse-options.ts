import type * as z from 'zod';
import { BrokerError } from '../domain/errors.ts';
import { schemaWords } from '../domain/schema-words.ts';

/**
 * A document's options or reference under the strict schema of a provider or of a way to rotate.
 * @throws ERR_BODY_INVALID with problems, their pointers relative to what is given.
 */
export function parseOptions<Schema extends z.ZodType>(
  schema: Schema,
  given: unknown,
): z.output<Schema> {
  const parsed = schema.safeParse(given, { error: schemaWords });
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map((issue) => ({
    pointer: issue.path.map((part) => `/${String(part)}`).join(''),
    message: issue.message,
  }));
  throw new BrokerError('ERR_BODY_INVALID', undefined, { problems });
}
