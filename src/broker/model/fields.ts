import * as z from 'zod';
import { isName, isSecretPath } from '../../domain/words/names.ts';
import { parseDuration } from '../../domain/policy/duration.ts';

const NO_DURATION = 'must be a duration such as 30s, 15m, 1h or 7d';
const MAX_TEXT = 1024;
/** One year: a longer duration is a mistake. */
const MAX_SECONDS = 366 * 86_400;

/** A schema with an `id` is the schema of that name in openapi.yaml. */
export const text = z.string().min(1).max(MAX_TEXT);
export const name = text
  .refine(isName, 'must be a lower-case name of up to 63 characters [a-z0-9._-]')
  .meta({ id: 'Name' });
export const PATH_FORM = 'must be a path: segments of [A-Za-z0-9._+=@-] joined by /';
export const path = text.refine(isSecretPath, PATH_FORM).meta({ id: 'SecretPath' });

/** Name of a claim of an ID token. */
export const claimName = z.string().min(1).max(128);
export const claimValue = z
  .union([z.string().max(1_024), z.number(), z.boolean()])
  .meta({ id: 'ClaimValue' });

/** Converts `30s`, `15m`, `1h` or `7d` to seconds; `0s` means none at all. */
export const duration = z
  .string({ error: ({ input }) => (input === undefined ? undefined : NO_DURATION) })
  .refine(
    (value) => value === '0s' || (parseDuration(value) ?? Infinity) <= MAX_SECONDS,
    NO_DURATION,
  )
  .transform((value) => parseDuration(value) ?? 0)
  .meta({ id: 'DurationOrNone' });
export const positive = duration
  .refine((seconds) => seconds > 0, 'must be more than 0s')
  .meta({ id: 'Duration' });
