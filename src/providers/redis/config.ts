import * as z from 'zod';
import { loginKeys, passwordOptions } from '../rotator/options.ts';
import { cleartextOnLoopback, databaseServerFields, maySendPassword } from '../server/config.ts';

/** User name as Redis stores it. A blank would end it in the ACL file (Redis, "ACL"). */
const redisUsername = z
  .string()
  .min(1)
  .max(256)
  .refine((name) => name.isWellFormed() && !/[\s\p{Cc}]/u.test(name), {
    message: 'is a name without blanks and control characters',
  });

/** Schema of a connection in the configuration file: one Redis server, as a user that may change others. */
export const redisConnectionSchema = z
  .strictObject({
    type: z.literal('redis'),
    ...databaseServerFields,
    port: z.int().min(1).max(65_535).default(6379),
    username: redisUsername,
  })
  .refine(cleartextOnLoopback.test, cleartextOnLoopback.refusal)
  // AUTH sends the password itself: an eavesdropper could use it, and on loopback any process that listens at the port.
  .refine(maySendPassword, {
    path: ['tls'],
    message:
      'is needed, because Redis logs in with the password in the clear; on a loopback address allowCleartextPassword: true allows that',
  });

export type RedisConnectionConfig = z.infer<typeof redisConnectionSchema>;

/** Strategy `acl-user`: one user with the old and the new password until the old one is retired. */
export const aclUserOptions = z.strictObject({
  username: redisUsername,
  keys: loginKeys,
  password: passwordOptions.prefault({}),
  /** Commands with arguments that the user must be allowed to run (`ACL DRYRUN`, Redis 7 and later). */
  allowed: z
    .array(z.array(z.string().min(1).max(512)).min(1).max(32))
    .max(16)
    .default([]),
  /** Writes the ACL file after each change; without it a restart of the server loses the change. */
  save: z.boolean().default(true),
  /** Terminates the user's connections when the old password is retired: the server does not show which of them used it. */
  endSessions: z.boolean().default(true),
});

export type AclUserOptions = z.output<typeof aclUserOptions>;
