import type { z } from 'zod';
import { BrokerError, type Problem } from '../../domain/errors.ts';
import { schemaWords } from '../../domain/words/schema-words.ts';
import { pointerTo } from '../../domain/words/json-pointer.ts';

const MOST_PROBLEMS = 50;
const LONGEST_KEY = 64;

/**
 * Parses a body, or the part of it at the pointer `at`, with the schema. An unknown field is refused, never ignored.
 * @throws ERR_UNKNOWN_FIELD, ERR_BODY_INVALID with the pointer of each problem; the error repeats no value.
 */
export function parseInput<T>(schema: z.ZodType<T>, value: unknown, at = ''): T {
  const parsed = schema.safeParse(value, { error: schemaWords });
  if (parsed.success) return parsed.data;
  const { issues } = parsed.error;
  const problems = issues.flatMap((issue) => problemsOf(issue, at)).slice(0, MOST_PROBLEMS);
  const isUnknown = issues.some(({ code }) => code === 'unrecognized_keys');
  throw new BrokerError(isUnknown ? 'ERR_UNKNOWN_FIELD' : 'ERR_BODY_INVALID', undefined, {
    problems,
    reason: isUnknown ? 'unknown_field' : 'schema',
  });
}

function problemsOf(issue: z.core.$ZodIssue, at: string): readonly Problem[] {
  const place = at + pointerTo(issue.path);
  if (issue.code !== 'unrecognized_keys') return [{ pointer: place, message: issue.message }];
  return issue.keys.map((key) => ({
    pointer: place + pointerTo([key.slice(0, LONGEST_KEY)]),
    message: 'is not a known field',
  }));
}
