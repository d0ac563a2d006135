import { z } from 'zod';

/** A user as Redis keeps it: no blanks (Redis, "ACL"), which end it in the ACL file. */
export const redisUsername = z
  .string()
  .min(1)
  .max(256)
  .refine((name) => name.isWellFormed() && !/[\s\p{Cc}]/u.test(name), {
    message: 'is a name without blanks and control characters',
  });
