import * as z from 'zod';
import { isSecretPath } from '../../domain/words/names.ts';
import { guardLimitsSchema } from '../guard/config.ts';
import { accessKeyNames } from '../rotator/options.ts';

const LOOPBACK = new Set(['127.0.0.1', '[::1]', 'localhost']);

function isEndpoint(text: string): boolean {
  const url = URL.parse(text);
  if (url === null || `${url.username}${url.password}${url.search}${url.hash}` !== '') return false;
  return url.protocol === 'https:' || (url.protocol === 'http:' && LOOPBACK.has(url.hostname));
}

const awsEndpoint = z
  .string()
  .refine(isEndpoint, 'an https address without user, query or fragment (http on loopback only)');

/** The fields for the endpoint and the identity; a connection's schema spreads them. */
export const awsAccessFields = {
  region: z
    .string()
    .regex(/^[a-z]{2}(?:-[a-z]+){1,3}-[0-9]{1,2}$/, 'a region, for example eu-central-1'),
  /** Address used instead of the region's public endpoint: a VPC endpoint, or an emulator on loopback. */
  endpoint: awsEndpoint.optional(),
  /** A profile of the shared AWS configuration (keys, `role_arn`, web identity, SSO); absent: the SDK's default chain. */
  profile: z
    .string()
    .regex(/^[A-Za-z0-9._/@+-]{1,128}$/)
    .optional(),
} as const;

export type AwsAccess = z.infer<z.ZodObject<typeof awsAccessFields>>;

/** Schema of a connection in the configuration file. */
export const awsSecretsManagerConnectionSchema = z.strictObject({
  type: z.literal('aws-secrets-manager'),
  ...awsAccessFields,
  limits: guardLimitsSchema.prefault({}),
  /** Locators that mounts may reach: secret names, `*` one segment, `**` (last) any depth. */
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
  /** The prefix of every secret's name at AWS, with a slash at its end. Absent: all secrets of the account's region. */
  namePrefix: z
    .string()
    .refine(
      (text) => text === '' || (text.endsWith('/') && isSecretPath(text.slice(0, -1))),
      'a path ending in /',
    )
    .default(''),
  /** The version stage that is current for this mount. */
  stage: stage.default('AWSCURRENT'),
});
export type AwsMountOptions = z.infer<typeof awsMountOptions>;

/** Schema of the exact reference in a definition: the name of the secret, and which version or member of it. */
export const awsRef = z
  .strictObject({
    name: secretName,
    /** Selects one member of a JSON secret. */
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

/** A key of AWS KMS that wraps root keys. */
export const awsKmsConfig = z.strictObject({
  type: z.literal('aws-kms'),
  /** Names the account in the key's id, which is stored beside the data it wraps: never rename it. */
  connection: z.string().regex(/^[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?$/),
  ...awsAccessFields,
  /** The id or the ARN of a symmetric key. Not an alias: it can be pointed at another key. */
  keyId: z
    .string()
    .regex(
      /^(?:arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key\/)?(?:mrk-)?[0-9a-f-]{32,36}$/,
      'the id or the ARN of a key, not an alias',
    ),
  limits: guardLimitsSchema.prefault({}),
});
export type AwsKmsConfig = z.infer<typeof awsKmsConfig>;

/** Schema of a connection in the configuration file: roles to assume, and users whose access keys rotate. */
export const awsIamConnectionSchema = z.strictObject({
  type: z.literal('aws-iam'),
  ...awsAccessFields,
  /** Address used instead of the region's public STS endpoint; `endpoint` is the one of IAM. */
  stsEndpoint: awsEndpoint.optional(),
  limits: guardLimitsSchema.prefault({}),
  /**
   * Allowed locators: `roles/<account>/<path and name>` to assume, `users/<name>` to rotate; `*` one segment, `**` (last) any
   * depth.
   */
  locators: z.array(z.string().min(1).max(1024)).min(1),
});
export type AwsIamConfig = z.infer<typeof awsIamConnectionSchema>;

/** The shortest and the longest session of STS. */
export const MIN_SESSION_SECONDS = 900;
const MAX_SESSION_SECONDS = 43_200;

const account = z.string().regex(/^[0-9]{12}$/, 'an account: 12 digits');
/** Path and name of a role, without the leading slash. */
const roleName = z
  .string()
  .regex(
    /^(?!.*(?:^|\/)\.{1,2}(?:\/|$))(?:[A-Za-z0-9_+=,.@-]{1,64}\/)*[A-Za-z0-9_+=,.@-]{1,64}$/,
    'a role, with its path: segments of [A-Za-z0-9_+=,.@-]',
  )
  .max(512);

/** Options of a mount document: the roles of one account. */
export const awsIamMountOptions = z.strictObject({
  account,
  partition: z.enum(['aws', 'aws-cn', 'aws-us-gov']).default('aws'),
});
export type AwsIamMountOptions = z.output<typeof awsIamMountOptions>;

const tagText = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u;
const arn = z.string().regex(/^arn:[\x21-\x7e]{16,2040}$/, 'an ARN');

/** A definition's reference: the role, and limits on its rights. It is stored in the clear; none of it is a secret. */
export const roleRef = z.strictObject({
  role: roleName,
  /** A session policy: the session has only rights that both this policy and the role allow. */
  policy: z
    .record(z.string(), z.json())
    .refine((policy) => JSON.stringify(policy).length <= 2048, 'at most 2048 characters as JSON')
    .optional(),
  /** ARNs of managed session policies. */
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
  /** Longest duration of a session, whatever lease is requested. */
  maxSeconds: z.int().min(MIN_SESSION_SECONDS).max(MAX_SESSION_SECONDS).default(3600),
});

function isFreeTag(key: string): boolean {
  return !key.toLowerCase().startsWith('aws:');
}

export function isRoleName(text: string): boolean {
  return roleName.safeParse(text).success;
}

/** Options of the strategy `access-keys` of a connection `aws-iam`. */
export const accessKeysOptions = z.strictObject({
  username: z
    .string()
    .regex(/^(?!\.{1,2}$)[A-Za-z0-9_+=,.@-]{1,64}$/, 'an IAM user name without its path'),
  keys: accessKeyNames,
});
export type AccessKeysOptions = z.output<typeof accessKeysOptions>;

/** Options of the strategy `own-rotation` of a connection `aws-secrets-manager`. */
export const ownRotationOptions = z.strictObject({
  /** The name of the secret at AWS. It is the secret of the definition's path, unless the value is copied elsewhere. */
  name: z
    .string()
    .regex(
      /^(?!.*\/\/)(?!\/)[A-Za-z0-9/_+=.@-]{1,512}(?<!\/)$/,
      'a secret name of [A-Za-z0-9/_+=.@-]',
    ),
});
