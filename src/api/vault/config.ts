import * as z from 'zod';
import { listenerConfigSchema } from '../config.ts';
import { isName, isPathSegment, isSecretPath, isUnder } from '../../domain/words/names.ts';

/** Names that clients of the Vault HTTP API give to the server's own paths. */
export const RESERVED: readonly string[] = ['sys', 'auth', 'cubbyhole', 'identity'];

const name = z.string().refine(isName, 'is not a lower-case name');
const mountName = z
  .string()
  .max(128)
  .refine(
    (text) => text.split('/').every(isPathSegment) && !RESERVED.includes(text.split('/')[0] ?? ''),
    'is not segments of [A-Za-z0-9._+=@-] joined by slashes, or is a reserved name',
  );
const authName = z.string().max(64).refine(isPathSegment, 'is not one segment of a path');

const mount = z.strictObject({
  /** The engine that clients see: `kv-v2`, `kv-v1`, or `database` for dynamic credentials and rotated accounts. */
  engine: z.enum(['kv-v2', 'kv-v1', 'database']),
  /** The path below which the names of the mount lie at the broker; if absent, they are the paths of the broker. */
  prefix: z.string().refine(isSecretPath, 'is not the path of a secret').optional(),
});

/** A listener for clients of the HashiCorp Vault HTTP API. */
export const vaultApiConfigSchema = z
  .strictObject({
    listener: listenerConfigSchema,
    mounts: z.record(mountName, mount),
    /** Logins by the name of the auth mount: the cluster whose tokens it takes, or the issuer of people in `people.issuers`. */
    auth: z
      .record(
        authName,
        z.union([z.strictObject({ cluster: name }), z.strictObject({ issuer: name })]),
      )
      .default({}),
    /** The connection of a server that answers reads which no mount covers, to callers with a token of that server. */
    shadow: name.optional(),
  })
  .refine(({ auth }) => Object.values(auth).filter((each) => 'issuer' in each).length <= 1, {
    path: ['auth'],
    // Clients do not return which issuer answered (RFC 9207), so one issuer could collect the codes of another.
    message: 'may name one issuer of people',
  })
  .superRefine(({ mounts }, context) => {
    const names = Object.keys(mounts);
    for (const one of names) {
      const other = names.find((each) => each !== one && isUnder(one, each));
      if (other === undefined) continue;
      const message = `lies below the mount "${other}"`;
      context.addIssue({ code: 'custom', path: ['mounts', one], message });
    }
  });

export type VaultApiConfig = z.infer<typeof vaultApiConfigSchema>;
export type Engine = z.infer<typeof mount>['engine'];
