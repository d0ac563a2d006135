import * as z from 'zod';
import { secretKey } from './secret-key.ts';

/** The option `keys`: which keys of the secret's data hold an access key of AWS; all others are carried over. */
export const accessKeyNames = z
  .strictObject({
    accessKeyId: secretKey.default('accessKeyId'),
    secretAccessKey: secretKey.default('secretAccessKey'),
  })
  .refine((keys) => keys.accessKeyId !== keys.secretAccessKey, 'names one key twice')
  .prefault({});
