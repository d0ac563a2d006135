import { z } from 'zod';
import { accessKeyNames } from '../../rotator/options.ts';

/** Strategy `access-keys` of a connection `aws-iam`. */
export const accessKeysOptions = z.strictObject({
  username: z
    .string()
    .regex(/^(?!\.{1,2}$)[A-Za-z0-9_+=,.@-]{1,64}$/, 'an IAM user name without its path'),
  keys: accessKeyNames,
});
export type AccessKeysOptions = z.output<typeof accessKeysOptions>;

/** Strategy `own-rotation` of a connection `aws-secrets-manager`. */
export const ownRotationOptions = z.strictObject({
  /** The secret at AWS, by its name: that of the definition's path, unless its value is copied elsewhere. */
  name: z
    .string()
    .regex(
      /^(?!.*\/\/)(?!\/)[A-Za-z0-9/_+=.@-]{1,512}(?<!\/)$/,
      'a secret name of [A-Za-z0-9/_+=.@-]',
    ),
});
