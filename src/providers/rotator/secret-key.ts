import * as z from 'zod';

/** The name of one key of a secret's data, as it can be written through the API. */
export const secretKey = z
  .string()
  .regex(/^[^\p{Cc}]{1,256}$/u, '1 to 256 characters, none of them control characters')
  .refine((key) => key !== '__proto__', 'is not a key');
