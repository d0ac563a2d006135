import type { z } from 'zod';
import { BrokerError } from '../../domain/errors.ts';
import { fieldProblems, fieldWords } from '../../domain/words/schema-words.ts';

const MOST_PROBLEMS = 50;

/**
 * Parses a body, or the part of it at the pointer `at`, with the schema. An unknown field is refused, never ignored.
 * @throws ERR_UNKNOWN_FIELD, ERR_BODY_INVALID with the pointer of each problem; the error repeats no value.
 */
export function parseInput<T>(schema: z.ZodType<T>, value: unknown, at = ''): T {
  const parsed = schema.safeParse(value, { error: fieldWords() });
  if (parsed.success) return parsed.data;
  const { issues } = parsed.error;
  const problems = issues.flatMap((issue) => fieldProblems(issue, at)).slice(0, MOST_PROBLEMS);
  const isUnknown = issues.some(({ code }) => code === 'unrecognized_keys');
  throw new BrokerError(isUnknown ? 'ERR_UNKNOWN_FIELD' : 'ERR_BODY_INVALID', undefined, {
    problems,
    reason: isUnknown ? 'unknown_field' : 'schema',
  });
}
