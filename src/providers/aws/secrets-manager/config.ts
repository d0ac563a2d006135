import { z } from 'zod';
import { isSecretPath } from '../../../domain/names.ts';
import { awsAccessFields } from '../client/config.ts';
import { guardLimitsSchema } from '../../guard/config.ts';

/** A connection of the configuration file. */
export const awsSecretsManagerConnectionSchema = z.strictObject({
  type: z.literal('aws-secrets-manager'),
  ...awsAccessFields,
  limits: guardLimitsSchema.prefault({}),
  /** What mounts may reach through it: secret names, `*` one segment, `**` (last) any depth. */
  locators: z.array(z.string().min(1).max(1024)).min(1),
});
export type AwsSecretsManagerConfig = z.infer<typeof awsSecretsManagerConnectionSchema>;

const secretName = z
  .string()
  .refine(isSecretPath, 'a secret name of [A-Za-z0-9._+=@-] and single slashes');
const stage = z.string().regex(/^[A-Za-z0-9._-]{1,256}$/);
const versionId = z.string().regex(/^[A-Za-z0-9-]{32,64}$/);

/** A mount document's options. */
export const awsMountOptions = z.strictObject({
  /** What every secret's name at AWS begins with, a slash at its end; absent: all of the account's region. */
  namePrefix: z
    .string()
    .refine(
      (text) => text === '' || (text.endsWith('/') && isSecretPath(text.slice(0, -1))),
      'a path ending in /',
    )
    .default(''),
  /** The stage that is current for this mount. */
  stage: stage.default('AWSCURRENT'),
});
export type AwsMountOptions = z.infer<typeof awsMountOptions>;

/** A definition's exact reference. */
export const awsRef = z
  .strictObject({
    name: secretName,
    /** The one member of a JSON secret that is meant. */
    jsonKey: z.string().min(1).max(256).optional(),
    stage: stage.optional(),
    versionId: versionId.optional(),
  })
  .refine(
    (ref) => ref.stage === undefined || ref.versionId === undefined,
    'stage or versionId, not both',
  );

export function isVersionId(text: string): boolean {
  return versionId.safeParse(text).success;
}
