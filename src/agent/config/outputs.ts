import * as z from 'zod/mini';
import { absolutePath, port } from './fields.ts';

const mode = z
  .string()
  .check(z.regex(/^0[0-7]{3}$/, "four octal digits in quotes, for example '0400'"));
const accountId = z.int().check(z.minimum(0), z.maximum(2 ** 32 - 2));

/** Who may read a file. */
const permissions = {
  mode: z._default(mode, '0400'),
  owner: z.optional(accountId),
  group: z.optional(accountId),
};

/** What a secret's own file is: the part of an entry of `secrets` that is about files. */
export const secretFile = {
  /** Below `directory`; a folder where the format is `files`. Absent: the secret is not written by itself. */
  file: z.optional(z.string()),
  format: z._default(z.enum(['json', 'files', 'dotenv', 'properties', 'yaml']), 'json'),
  ...permissions,
};

export const templatesSchema = z._default(
  z.array(
    z.strictObject({
      file: z.string(),
      source: z.optional(absolutePath),
      text: z.optional(z.string()),
      ...permissions,
    }),
  ),
  [],
);

export const apiSchema = z.optional(
  z.strictObject({
    socket: z.optional(absolutePath),
    mode: z._default(mode, '0600'),
    port: z.optional(port),
    tokenFile: z.optional(absolutePath),
  }),
);

export const healthSchema = z.optional(
  z.strictObject({
    host: z._default(z.string(), '127.0.0.1'),
    port: z._default(port, 8201),
  }),
);
