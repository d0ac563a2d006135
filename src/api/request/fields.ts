import * as z from 'zod';
import { PERSON_NAME } from '../../domain/identity/person.ts';
import {
  METADATA_KEY_BYTES,
  METADATA_VALUE_BYTES,
  MOST_METADATA_KEYS,
} from '../../domain/secrets/custom-metadata.ts';
import { isDigest } from '../../domain/posture/image-reference.ts';
import { parseCidr } from '../../domain/network/cidr.ts';
import { isName, isSecretPath } from '../../domain/words/names.ts';
import { parseWorkloadId, WORKLOAD_FORMS } from '../../domain/identity/workload.ts';
import { parseDuration } from '../../domain/policy/duration.ts';

/** A remark for people: text without control characters. */
export const remark = z
  .string()
  .max(1_024)
  .refine((text) => !/\p{Cc}/u.test(text), 'must not have control characters');

export const secretPath = z
  .string()
  .refine(isSecretPath, '1 to 16 segments of [A-Za-z0-9._+=@-] joined by single slashes');

export const objectName = z
  .string()
  .refine(isName, '1 to 63 of [a-z0-9._-], a letter or digit at each end');

/** Name of an operator, or of a person who logs in at an issuer. */
export const operatorName = z.union([objectName, z.string().regex(PERSON_NAME)]);

/** An opaque version of the provider. */
export const secretVersion = z.string().min(1).max(128);

/** Pattern of the ids that the broker makes: `lea_…`, `ses_…`. */
export const identifier = z.string().regex(/^[a-z]{2,8}_[0-9A-Za-z_-]{1,64}$/, 'is not an id');

/** Key that the caller chooses: visible ASCII. */
export const idempotencyKey = z
  .string()
  .regex(/^[!-~]{1,128}$/, '1 to 128 visible ASCII characters');

const DURATION_WORDS = 'a whole number and one of s, m, h, d, for example 15m';
const LONGEST_SECONDS = 365 * 86_400;

/** Duration such as `90s`, `15m`, `12h`, `7d`, as in policies; in seconds. */
export const duration = z
  .string({ error: ({ input }) => (input === undefined ? undefined : DURATION_WORDS) })
  .transform((text, context) => {
    const seconds = parseDuration(text);
    if (seconds !== undefined && seconds <= LONGEST_SECONDS) return seconds;
    context.addIssue({
      code: 'custom',
      message: DURATION_WORDS,
    });
    return z.NEVER;
  });

const MOST_KEYS = 256;
const bytes = z.strictObject({
  base64: z
    .string()
    .refine(
      (text) => Buffer.from(text, 'base64').toString('base64') === text,
      'is not canonical base64 (RFC 4648 section 4)',
    ),
});
const dataKey = z
  .string()
  .regex(/^[^\p{Cc}]{1,256}$/u, '1 to 256 characters, none of them control characters');

/** A value: 1 to 256 keys, each a string or `{base64}`. */
export const secretData = z
  .record(dataKey, z.union([z.string(), bytes]))
  .refine((data) => Object.keys(data).length > 0, 'needs a key at least')
  .refine((data) => Object.keys(data).length <= MOST_KEYS, `may have ${MOST_KEYS} keys`);

/** Changes of single keys; null removes a key. */
export const secretChanges = z
  .record(dataKey, z.union([z.string(), bytes, z.null()]))
  .refine((data) => Object.keys(data).length > 0, 'needs a key at least')
  .refine((data) => Object.keys(data).length <= MOST_KEYS, `may have ${MOST_KEYS} keys`);

export const workloadName = z
  .string()
  .refine((text) => parseWorkloadId(text) !== undefined, WORKLOAD_FORMS);

/** The UID of a pod. */
export const imageDigest = z
  .string()
  .refine(isDigest, 'must be a digest such as sha256:<64 hexadecimal digits>');
export const podUid = z.string().regex(/^[0-9A-Za-z-]{1,64}$/, 'is not a UID');

/** A block of addresses; one address is a block of `/32` or `/128`. */
export const cidrBlock = z
  .string()
  .refine((text) => parseCidr(text) !== undefined, 'is not a CIDR block such as 10.0.0.0/8');

const MOST_LABELS = 16;

/** Note of the writer of a version. The list of versions shows it, so it is bounded and no secret. */
export const versionNote = {
  comment: remark.min(1).max(256).optional(),
  labels: z
    .record(
      z
        .string()
        .regex(/^[a-z0-9](?:[a-z0-9._/-]{0,61}[a-z0-9])?$/, 'a key is 1 to 63 of [a-z0-9._/-]'),
      z
        .string()
        .regex(
          /^[^\p{Cc}]{0,128}$/u,
          'a label is at most 128 characters without control characters',
        ),
    )
    .refine((labels) => Object.keys(labels).length <= MOST_LABELS, `may have ${MOST_LABELS} labels`)
    .optional(),
};

/** Letters, digits, marks, punctuation, symbols and the space: what other servers of the Vault HTTP API accept. */
const PRINTABLE = /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]+$/u;

function printable(most: number) {
  return z
    .string()
    .refine(
      (text) => PRINTABLE.test(text) && Buffer.byteLength(text) <= most,
      `is 1 to ${most} bytes of printable characters`,
    );
}

/** Changes of custom metadata; null removes a key. */
export const metadataChanges = z
  .record(printable(METADATA_KEY_BYTES), z.union([printable(METADATA_VALUE_BYTES), z.null()]))
  .refine(
    (entries) => Object.keys(entries).length <= MOST_METADATA_KEYS,
    `may have ${MOST_METADATA_KEYS} keys`,
  );

export const kubernetesName = z
  .string()
  .regex(/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/, 'is not a Kubernetes name');

/** The index of an entry of the audit log. */
export const entryIndex = z
  .string()
  .regex(/^(?:0|[1-9][0-9]{0,14})$/, 'is not an index')
  .transform(Number);
