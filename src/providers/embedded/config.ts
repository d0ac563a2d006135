import { isSecretPath } from '../../domain/names.ts';
import { z } from 'zod';

/** Rows of a secret's history that are kept, tombstones included; `versions()` never answers more. */
export const HISTORY_LENGTH = 100;

/** A mount document's options. `prefix` is the mount's own and is filled in by the broker. */
export const embeddedOptions = z.strictObject({
  prefix: z.string().refine(isSecretPath, 'a mount prefix is a secret path'),
  /** Values that can still be opened; older ones are destroyed as new ones are written. */
  keepVersions: z
    .int()
    .min(1)
    .max(HISTORY_LENGTH - 1)
    .default(10),
});

export type EmbeddedOptions = z.infer<typeof embeddedOptions>;

/** A key-encryption key in a file of its own, outside the data directory and every backup of it. */
export const localFileConfig = z.strictObject({
  type: z.literal('local-file'),
  /** Made by `createKeyFile`; mode 0600 or 0400. */
  path: z.string().min(1),
});
