import { z } from 'zod';
import { awsAccessFields, awsEndpoint } from './client/config.ts';
import { guardLimitsSchema } from '../guard/config.ts';

/** A connection of the configuration file: roles to assume, and users whose access keys rotate. */
export const awsIamConnectionSchema = z.strictObject({
  type: z.literal('aws-iam'),
  ...awsAccessFields,
  /** STS instead of the region's public endpoint; `endpoint` is that of IAM. */
  stsEndpoint: awsEndpoint.optional(),
  limits: guardLimitsSchema.prefault({}),
  /** What may be used through it: `roles/<account>/<path and name>` to assume, `users/<name>` to rotate; `*` one segment, `**` (last) any depth. */
  locators: z.array(z.string().min(1).max(1024)).min(1),
});

/** What STS makes no shorter, and no longer. */
export const MIN_SESSION_SECONDS = 900;
const MAX_SESSION_SECONDS = 43_200;

const account = z.string().regex(/^[0-9]{12}$/, 'an account: 12 digits');
/** Path and name of a role, without the slash in front. */
const roleName = z
  .string()
  .regex(
    /^(?!.*(?:^|\/)\.{1,2}(?:\/|$))(?:[A-Za-z0-9_+=,.@-]{1,64}\/)*[A-Za-z0-9_+=,.@-]{1,64}$/,
    'a role, with its path: segments of [A-Za-z0-9_+=,.@-]',
  )
  .max(512);

/** A mount document's options: the roles of one account. */
export const awsIamMountOptions = z.strictObject({
  account,
  partition: z.enum(['aws', 'aws-cn', 'aws-us-gov']).default('aws'),
});
export type AwsIamMountOptions = z.output<typeof awsIamMountOptions>;

const tagText = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u;
const arn = z.string().regex(/^arn:[\x21-\x7e]{16,2040}$/, 'an ARN');

/** A definition's reference: which role, and with what of its rights. It is stored in the clear; none of it is a secret. */
export const roleRef = z.strictObject({
  role: roleName,
  /** A session policy: the session has what this and the role both allow. */
  policy: z
    .record(z.string(), z.json())
    .refine((policy) => JSON.stringify(policy).length <= 2048, 'at most 2048 characters as JSON')
    .optional(),
  /** Managed session policies. */
  policyArns: z.array(arn).min(1).max(10).optional(),
  externalId: z
    .string()
    .regex(/^[\w+=,.@:/-]{2,1224}$/)
    .optional(),
  /** Session tags; the role's trust policy must allow `sts:TagSession`. */
  tags: z
    .record(
      z.string().regex(tagText).min(1).max(128).refine(isFreeTag, 'aws: is not free'),
      z.string().regex(tagText).max(256),
    )
    .refine((tags) => Object.keys(tags).length <= 50, 'at most 50')
    .optional(),
  /** Longest life of a session, whatever lease is asked for. */
  maxSeconds: z.int().min(MIN_SESSION_SECONDS).max(MAX_SESSION_SECONDS).default(3600),
});

function isFreeTag(key: string): boolean {
  return !key.toLowerCase().startsWith('aws:');
}

export function isRoleName(text: string): boolean {
  return roleName.safeParse(text).success;
}
