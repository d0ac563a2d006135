import type { z } from 'zod';
import { BrokerError } from '../../domain/errors.ts';
import { schemaWords } from '../../domain/words/schema-words.ts';

export { parseInput } from '../../broker/kernel/parse-input.ts';

/** Parses a parameter that need not be there. Most reads have none; to make an optional schema for each takes a microsecond. @throws ERR_REQUEST_INVALID */
export function parseOptional<T>(schema: z.ZodType<T>, value: string | undefined): T | undefined {
  return value === undefined ? undefined : parseParameter(schema, value);
}

/** Parses a parameter of the path or the query, or a header. @throws ERR_REQUEST_INVALID */
export function parseParameter<T>(schema: z.ZodType<T>, value: unknown): T {
  const parsed = schema.safeParse(value, { error: schemaWords });
  if (parsed.success) return parsed.data;
  const detail = parsed.error.issues[0]?.message;
  throw new BrokerError('ERR_REQUEST_INVALID', detail, { reason: 'parameter' });
}
