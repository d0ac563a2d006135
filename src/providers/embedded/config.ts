import { isSecretPath } from '../../domain/words/names.ts';
import { parseDuration } from '../../domain/policy/duration.ts';
import * as z from 'zod';

/** Limit of a secret's rows, tombstones included; `versions()` never returns more. */
export const HISTORY_LENGTH = 100;

const LONGEST_WINDOW_SECONDS = 90 * 86_400;

/** A mount document's options. The broker fills in `prefix`, the mount's own prefix. */
export const embeddedOptions = z.strictObject({
  prefix: z.string().refine(isSecretPath, 'a mount prefix is a secret path'),
  /** Number of readable values; each new value destroys the oldest beyond this number. */
  keepVersions: z
    .int()
    .min(1)
    .max(HISTORY_LENGTH - 1)
    .default(10),
  /**
   * Time for which a deleted secret can be restored; at its end the versions are destroyed. `0s`: a deletion destroys
   * them at once.
   */
  undeleteWindow: z
    .string()
    .transform((text, context) => {
      const seconds = text === '0s' ? 0 : parseDuration(text);
      if (seconds !== undefined && seconds <= LONGEST_WINDOW_SECONDS) return seconds * 1000;
      context.addIssue({ code: 'custom', message: 'is 0s to 90d, for example 12h or 7d' });
      return z.NEVER;
    })
    .prefault('7d'),
});

export type EmbeddedOptions = z.infer<typeof embeddedOptions>;

/** A key-encryption key in a separate file, outside the data directory and all its backups. */
export const localFileConfig = z.strictObject({
  type: z.literal('local-file'),
  /** File that `createKeyFile` created, with mode 0600 or 0400. */
  path: z.string().min(1),
});
