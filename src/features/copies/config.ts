import * as z from 'zod';
import { AGE_RECIPIENT } from '../../crypto/encryption/age.ts';

/** The backup section of the configuration file. Only this file names recipients: no API call can direct a backup to another key. */
export const backupConfigSchema = z.strictObject({
  /** A directory outside the store's, for the encrypted archives and their manifests. */
  directory: z
    .string()
    .min(2)
    .regex(/^\/[^\0]*$/, 'must be an absolute path'),
  /**
   * PostgreSQL: the directory of the copy that the broker encrypts, which is removed afterwards. Default: that of temporary files. Values in the copy are encrypted,
   * paths and the log are not.
   */
  copyDirectory: z
    .string()
    .min(2)
    .regex(/^\/[^\0]*$/, 'must be an absolute path')
    .optional(),
  /** Public keys of age. The holder of any one of the secret keys can decrypt the archive. */
  recipients: z
    .array(z.string().regex(AGE_RECIPIENT, 'must be a public key of age: age1…'))
    .min(1)
    .max(16),
  /** The number of backups kept. The oldest are deleted after a new one is complete. */
  keep: z.int().min(1).max(1_000).default(7),
  /** Hours between two backups. If absent, backups are made only on request. */
  intervalHours: z.int().min(1).max(720).optional(),
});

export type BackupConfig = z.output<typeof backupConfigSchema>;
