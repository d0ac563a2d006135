import { z } from 'zod';

/** A key-encryption key in a file of its own, outside the data directory and every backup of it. */
export const localFileConfig = z.strictObject({
  type: z.literal('local-file'),
  /** Made by `createKeyFile`; mode 0600 or 0400. */
  path: z.string().min(1),
});
