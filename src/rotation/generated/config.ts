import * as z from 'zod';
import { KEY_TYPES } from '../../crypto/key-pair.ts';
import { passwordOptions } from '../password-options.ts';
import { secretKey } from '../secret-key.ts';

const MOST_VALUES = 32;

/** Strategy `generated`: each named key of the secret is a text of its own rules. */
export const generatedOptions = z.strictObject({
  keys: z
    .record(secretKey, passwordOptions)
    .refine((keys) => Object.keys(keys).length > 0, 'needs a key at least')
    .refine((keys) => Object.keys(keys).length <= MOST_VALUES, `may have ${MOST_VALUES} keys`)
    .prefault({ password: {} }),
});

export type GeneratedOptions = z.output<typeof generatedOptions>;

/** Strategy `key-pair`: under which keys of the secret the forms are kept; `publicKey` and `openSsh` only where they are named. */
export const keyPairOptions = z.strictObject({
  type: z.enum(KEY_TYPES).default('ed25519'),
  keys: z
    .strictObject({
      privateKey: secretKey.default('privateKey'),
      publicKey: secretKey.optional(),
      openSsh: secretKey.optional(),
    })
    .prefault({ publicKey: 'publicKey', openSsh: 'openSsh' })
    .refine((keys) => {
      const names = Object.values(keys).filter((name) => name !== undefined);
      return new Set(names).size === names.length;
    }, 'names one key twice'),
});

export type KeyPairOptions = z.output<typeof keyPairOptions>;
