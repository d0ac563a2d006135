import * as z from 'zod/mini';
import { isName, isSecretPath } from '../../domain/words/names.ts';
import { parseDuration } from '../../domain/policy/duration.ts';

/*
 * `zod/mini` and not `zod`: in the agent's bundle it costs 2 ms of the start, `zod` 12 ms and 14 MB (measured).
 */

/** Duration such as `90s`, `15m`, `12h`, `7d`; becomes milliseconds. */
export const lifetime = z.pipe(
  z
    .string()
    .check(
      z.refine(
        (text) => parseDuration(text) !== undefined,
        'must be a whole number with s, m, h or d, for example 15m',
      ),
    ),
  z.transform((text) => (parseDuration(text) ?? 0) * 1000),
);

/** Node's timers fire at once if the delay is over 24 days: a child would be killed immediately. */
const LONGEST_WAIT_MS = 7 * 24 * 3_600_000;

/** A time that the agent itself waits. */
export const duration = lifetime.check(z.refine((ms) => ms <= LONGEST_WAIT_MS, 'at most 7d'));

export const secretPath = z
  .string()
  .check(z.refine(isSecretPath, '1 to 16 segments of [A-Za-z0-9._+=@-] joined by single slashes'));

export const secretName = z
  .string()
  .check(z.regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/, '1 to 63 of [A-Za-z0-9._-]'));

export const clusterName = z
  .string()
  .check(z.refine(isName, '1 to 63 of [a-z0-9._-], a letter or digit at each end'));

export const absolutePath = z.string().check(z.regex(/^\/[^\0]*$/, 'an absolute path'));

export const port = z.int().check(z.minimum(1), z.maximum(65_535));

/** A program and its arguments, without a shell. */
export const argv = z
  .array(z.string().check(z.regex(/^[^\0]*$/, 'must not contain a NUL')))
  .check(z.minLength(1), z.maxLength(256));

export const signalName = z.enum([
  'SIGHUP',
  'SIGINT',
  'SIGQUIT',
  'SIGTERM',
  'SIGUSR1',
  'SIGUSR2',
  'SIGWINCH',
  'SIGCONT',
]);
