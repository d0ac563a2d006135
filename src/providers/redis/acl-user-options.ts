import { z } from 'zod';
import { redisUsername } from './user-name.ts';
import { loginKeys } from '../rotator/options.ts';
import { passwordOptions } from '../rotator/password-options.ts';

/** Strategy `acl-user`: one user, which holds the old and the new password until the old one is retired. */
export const aclUserOptions = z.strictObject({
  username: redisUsername,
  keys: loginKeys,
  password: passwordOptions.prefault({}),
  /** Commands, with arguments, that the user must be allowed after a change (`ACL DRYRUN`, from Redis 7 on). */
  allowed: z
    .array(z.array(z.string().min(1).max(512)).min(1).max(32))
    .max(16)
    .default([]),
  /** Writes the ACL file after each change; without it the server forgets the change when it starts again. */
  save: z.boolean().default(true),
  /** Ends the user's connections when the old password is retired: the server does not know which of them logged in with it. */
  endSessions: z.boolean().default(true),
});

export type AclUserOptions = z.output<typeof aclUserOptions>;
