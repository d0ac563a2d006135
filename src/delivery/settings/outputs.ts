import * as z from 'zod/mini';
import { targetProblem } from '../files/file-options.ts';
import { absolutePath, port } from './fields.ts';

/** Below `directory`. */
const target = z.string().check((checking) => {
  const message = targetProblem(checking.value);
  if (message !== undefined) {
    checking.issues.push({ code: 'custom', message, input: undefined });
  }
});

/** Quoted in YAML, because a reader of numbers would take `0400` for four hundred. Becomes permission bits. */
const mode = z.pipe(
  z
    .string()
    .check(
      z.regex(
        /^0[46][046][04]$/,
        "four octal digits in quotes, for example '0400'; nobody executes a secret, and not everybody writes it",
      ),
    ),
  z.transform((text) => Number.parseInt(text, 8)),
);
const accountId = z.int().check(z.minimum(0), z.maximum(2 ** 32 - 2));

/** Who may read a file. */
const permissions = {
  mode: z.prefault(mode, '0400'),
  owner: z.optional(accountId),
  group: z.optional(accountId),
};

const format = z.enum(['json', 'files', 'dotenv', 'properties', 'yaml']);
export type Format = z.output<typeof format>;

/** What a secret's own file is: the part of an entry of `secrets` that is about files. */
export const secretFile = {
  /** A folder where the format is `files`. Absent: the secret is not written by itself. */
  file: z.optional(target),
  format: z._default(format, 'json'),
  ...permissions,
};

export const templatesSchema = z._default(
  z.array(
    z
      .strictObject({
        file: target,
        source: z.optional(absolutePath),
        text: z.optional(z.string().check(z.maxLength(1_000_000))),
        ...permissions,
      })
      .check(
        z.refine(
          ({ source, text }) => (source === undefined) !== (text === undefined),
          'needs one of source, a file, and text',
        ),
      ),
  ),
  [],
);

/** A socket, whose mode says who may ask, or a loopback port and a token that a forged request does not have. */
export const apiSchema = z.optional(
  z
    .strictObject({
      socket: z.optional(absolutePath),
      mode: z.prefault(mode, '0600'),
      port: z.optional(port),
      tokenFile: z.optional(absolutePath),
    })
    .check(
      z.refine(
        ({ socket, port: at, tokenFile }) =>
          (socket === undefined) !== (at === undefined) &&
          (at === undefined) === (tokenFile === undefined),
        'needs either socket, or port and tokenFile',
      ),
    ),
);
export type ApiSettings = NonNullable<z.output<typeof apiSchema>>;

export const healthSchema = z.optional(
  z.strictObject({
    host: z._default(z.string(), '127.0.0.1'),
    port: z._default(port, 8201),
  }),
);
export type HealthSettings = NonNullable<z.output<typeof healthSchema>>;
