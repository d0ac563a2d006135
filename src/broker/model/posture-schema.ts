import * as z from 'zod';
import { isDigest } from '../../domain/posture/image-reference.ts';
import { MOST_DEEP_STARS } from '../../domain/words/glob.ts';
import { SEVERITIES } from '../../domain/posture/evidence.ts';
import { NEWEST_MINOR } from '../../domain/posture/pod-security.ts';
import {
  POSTURE_CODES,
  POSTURE_MODES,
  VIOLATION_ACTIONS,
  type PostureException,
  type PostureProfileSpec,
} from '../../domain/posture/profile.ts';
import { signerKey } from '../../crypto/signatures/image-signature.ts';
import type { PinnedKey } from '../../domain/posture/image-trust.ts';
import { identityProblem } from '../../domain/posture/trusted-identity.ts';
import { duration, name, positive, text } from './fields.ts';

const GLOB = /^[A-Za-z0-9._+=@:*[\]-]+(?:\/[A-Za-z0-9._+=@:*[\]-]+)*$/;

/** Segments joined by `/`; `*` within one, `**` for any number of them. */
const pattern = z
  .string()
  .min(1)
  .max(512)
  .regex(GLOB, 'must be segments joined by "/", with * and ** as wildcards')
  .refine(
    (value) => value.split('**').length - 1 <= MOST_DEEP_STARS,
    `must have at most ${MOST_DEEP_STARS} "**"`,
  )
  .refine(
    (value) => value.split('/').every((segment) => segment === '**' || !segment.includes('**')),
    '"**" must be a whole segment',
  )
  .meta({
    id: 'PosturePattern',
    description: 'Segments joined by `/`; `*` within one, `**` for any number of them',
  });
const patterns = z.array(pattern).max(64).default([]).meta({ id: 'PosturePatterns' });
const permission = z.enum(['allow', 'deny']).meta({ id: 'PosturePermission' });

/** A field that documents of earlier releases allowed if they left it out. */
function withSafeDefault(description: string) {
  return z.enum(['allow', 'deny']).optional().meta({ default: 'deny', description });
}

const version = z
  .string()
  .regex(/^(?:latest|v1\.\d{1,3})$/, 'must be latest, or a version such as v1.34')
  .describe('`latest`, or such as `v1.34`')
  .transform((value) => (value === 'latest' ? NEWEST_MINOR : Number(value.slice('v1.'.length))))
  .refine((minor) => minor <= NEWEST_MINOR, `must be at most v1.${NEWEST_MINOR}`);

const securityStandard = z
  .strictObject({ level: z.enum(['baseline', 'restricted']), version })
  .transform(({ level, version: minor }) => ({ level, minor }));

const DEFAULT_MAX_AGE_SECONDS = 72 * 60 * 60;
const DATE = /^\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}:\d{2}Z)?$/;

const until = z
  .string()
  .refine(
    (value) => DATE.test(value) && !Number.isNaN(Date.parse(value)),
    'must be a day such as 2026-12-31, or an instant such as 2026-12-31T12:00:00Z',
  )
  .transform((value) => Date.parse(value))
  .meta({
    id: 'DayOrInstant',
    pattern: DATE.source,
    description: 'A day such as `2026-12-31`, or an instant such as `2026-12-31T12:00:00Z`',
  });

const exception = z
  .strictObject({
    check: z.enum(POSTURE_CODES),
    pods: patterns,
    images: patterns,
    until,
    reason: text,
    owner: text,
  })
  .transform(({ check, ...rest }): PostureException => ({ code: check, ...rest }));

const pod = z.strictObject({
  onUnknown: permission.optional(),
  securityStandard: securityStandard.optional(),
  ephemeralContainers: permission.default('allow'),
  defaultServiceAccount: permission.default('allow'),
  serviceAccountToken: permission.default('allow'),
  secretsInEnvironment: permission.default('allow'),
  secretValuesInEnvironment: permission.default('allow'),
  resourceLimits: z.enum(['any', 'required']).default('any'),
  networkPolicy: z.enum(['any', 'required']).default('any'),
});

const NO_KEY =
  'must be one public key in PEM ("BEGIN PUBLIC KEY"): ECDSA on P-256, RSA of 2048 to 8192 bits, or Ed25519';
const identityText = z
  .string()
  .min(1)
  .check(({ value, issues }) => {
    const message = identityProblem(value);
    if (message !== undefined) issues.push({ code: 'custom', message, input: value });
  })
  .meta({
    id: 'SigningIdentity',
    pattern: '^[!-~]{1,512}$',
    description: 'Exact, or a pattern whose scheme and host have no `*`',
  });

const authority = z
  .strictObject({
    name,
    key: z
      .string()
      .max(4_096)
      .transform((pem, context): PinnedKey => {
        const id = signerKey(pem)?.id;
        if (id !== undefined) return { pem, id };
        context.addIssue({ code: 'custom', message: NO_KEY });
        return z.NEVER;
      })
      .optional()
      .describe('One public key in PEM: ECDSA on P-256, RSA of 2048 to 8192 bits, or Ed25519'),
    keyless: z
      .strictObject({
        trustRoot: name,
        identities: z
          .array(z.strictObject({ issuer: identityText, subject: identityText }))
          .min(1)
          .max(64),
      })
      .optional(),
    revokedAt: until.optional().describe('Signatures made from then on do not count.'),
  })
  .refine(({ key, keyless }) => (key === undefined) !== (keyless === undefined), {
    message: 'needs either "key" or "keyless"',
  })
  .meta({ id: 'SigningAuthority', description: 'Has either `key` or `keyless`' });

const signed = {
  images: z.array(pattern).min(1).max(64),
  authorities: z.array(authority).min(1).max(16),
};
const signature = z.strictObject(signed).meta({
  id: 'SignatureRule',
  description:
    'An image that one of the patterns matches needs a signature by one of the authorities.',
});
const attestation = z
  .strictObject({
    ...signed,
    slsaProvenance: z.strictObject({ builders: z.array(identityText).min(1).max(64) }).optional(),
    vulnScan: z
      .strictObject({ maxAge: positive })
      .transform(({ maxAge }) => ({ maxAgeSeconds: maxAge }))
      .optional(),
  })
  .refine(
    ({ slsaProvenance, vulnScan }) => slsaProvenance !== undefined || vulnScan !== undefined,
    {
      message: 'needs "slsaProvenance" or "vulnScan"',
    },
  )
  .meta({
    id: 'AttestationRule',
    description:
      'An image that one of the patterns matches needs each named attestation by one of the authorities.',
  });

const KEY_ID = /^sha256:[0-9a-f]{64}$/;
const DIGEST_WORDS = 'must be a digest such as sha256:<64 hexadecimal digits>';
const digest = z.string().refine(isDigest, DIGEST_WORDS).meta({ id: 'ImageDigest' });
const keyId = z
  .string()
  .regex(KEY_ID, 'must be the id of a key: sha256:<64 hexadecimal digits>')
  .describe('`sha256:` and 64 hexadecimal digits');

const image = z
  .strictObject({
    onUnknown: permission.optional(),
    registries: patterns,
    digest: z.enum(['any', 'pinned']).default('any'),
    deniedDigests: z.array(digest).max(4_096).default([]),
    signatures: z.array(signature).max(32).default([]),
    attestations: z.array(attestation).max(32).default([]),
    trustRoots: z
      .record(name, z.record(z.string(), z.unknown()))
      .default({})
      .describe('A `trusted_root.json` of a Sigstore instance by its name'),
    unmatched: withSafeDefault(
      'What a rule of `signatures` or `attestations` means for repositories that no rule names',
    ),
    deniedKeys: z.array(keyId).max(256).default([]).describe('Ids of keys that never count'),
  })
  .superRefine(({ signatures, attestations, trustRoots }, context) => {
    for (const [field, rules] of Object.entries({ signatures, attestations })) {
      rules.forEach(({ authorities }, rule) => {
        authorities.forEach(({ keyless }, at) => {
          if (keyless === undefined || Object.hasOwn(trustRoots, keyless.trustRoot)) return;
          const path = [field, rule, 'authorities', at, 'keyless', 'trustRoot'];
          context.addIssue({ code: 'custom', message: 'is not in "trustRoots"', path });
        });
      });
    }
  });

/** Fields of every check that needs the report of a scanner. */
const reportRules = {
  onUnknown: permission.optional(),
  deny: z
    .array(z.enum(SEVERITIES).meta({ id: 'Severity' }))
    .min(1, 'must name at least one severity')
    .max(SEVERITIES.length),
  firstReportGrace: duration.default(0),
  unknownSeverity: withSafeDefault('Whether findings without a rating count as if `deny` had them'),
};

/** Package URLs have `%` where a name has `@`, such as `pkg:npm/%40babel/*`. */
const purlPattern = z
  .string()
  .max(512)
  .regex(/^pkg:[A-Za-z0-9._+=@:*%/~-]+$/, 'must be a package URL, with * and ** as wildcards')
  .refine(
    (value) => value.split('**').length - 1 <= MOST_DEEP_STARS,
    `must have at most ${MOST_DEEP_STARS} "**"`,
  );

const vulnerabilities = z
  .strictObject({
    ...reportRules,
    fixAvailableOnly: z.boolean().default(false),
    graceDays: z.int().min(0).max(366).default(0),
    reportMaxAge: positive.default(DEFAULT_MAX_AGE_SECONDS),
    osEndOfLife: permission.default('allow'),
    exceptions: z
      .array(
        z.strictObject({
          id: z
            .string()
            .regex(/^[A-Za-z0-9][A-Za-z0-9._:-]{2,127}$/, 'must be a CVE or another id')
            .describe('A CVE, or another name of the vulnerability'),
          purl: purlPattern.optional().describe('Pattern of package URLs without qualifiers'),
          until,
          reason: text,
          approvedBy: text,
        }),
      )
      .max(1_024)
      .default([]),
  })
  .transform(({ firstReportGrace, reportMaxAge, ...rest }) => ({
    ...rest,
    firstReportGraceSeconds: firstReportGrace,
    reportMaxAgeSeconds: reportMaxAge,
  }));

const exposedSecrets = z.strictObject(reportRules).transform(({ firstReportGrace, ...rest }) => ({
  ...rest,
  firstReportGraceSeconds: firstReportGrace,
}));

const LONGEST_WRITER = 512;
const writer = z
  .string()
  .max(LONGEST_WRITER)
  .regex(/^[!-~]+$/, 'must be printable characters without blanks')
  .refine(
    (value) => value.split('**').length - 1 <= MOST_DEEP_STARS,
    `must have at most ${MOST_DEEP_STARS} "**"`,
  )
  .meta({
    id: 'EvidenceWriter',
    description:
      'Name of an operator, `ci://<cluster>/<identity>` of a pipeline, or `watch:<cluster>`; `*` within a segment, `**` for any number of them',
  });
const writers = z.array(writer).max(64).default([]);
const printableName = z
  .string()
  .min(1)
  .max(256)
  .regex(/^\P{Cc}+$/u, 'must have no control characters');

const witnesses = z
  .strictObject({
    scanners: z
      .array(printableName)
      .max(16)
      .default([])
      .describe('Scanners whose reports count; none named: all'),
    writers: writers.describe('Writers whose reports count; none named: all'),
    vex: z
      .strictObject({
        writers: writers.describe(
          'Writers whose VEX counts; none named: those whose role has no scope',
        ),
        authors: z
          .array(printableName)
          .max(64)
          .default([])
          .describe('Authors that VEX documents name; none named: all'),
      })
      .prefault({}),
  })
  .describe('Whose word about images counts; docs/evidence.md');

const labels = z.record(z.string().min(1).max(317), z.string().max(63)).default({});

const match = z.strictObject({
  clusters: z.array(name).max(64).default([]),
  namespaces: patterns,
  namespaceLabels: labels,
  podLabels: labels,
  secretPaths: patterns,
});

/** A profile that checks nothing would look like a gate and be none. */
const CHECKS_NOTHING =
  'must check something: a field of "pod" or "image", "vulnerabilities" or "exposedSecrets"';

export const postureProfile = z
  .strictObject({
    description: text.optional(),
    mode: z.enum(POSTURE_MODES),
    onViolation: z.enum(VIOLATION_ACTIONS).optional().meta({
      default: 'denyRenewal',
      description:
        'For `enforce`, what happens to a pod that holds leases on these secrets and stops meeting the profile. Its reads and renewals are refused in any case.',
    }),
    onUnknown: permission.default('deny'),
    match: match.prefault({}),
    pod: pod.prefault({}),
    image: image.prefault({}),
    vulnerabilities: vulnerabilities.optional(),
    exposedSecrets: exposedSecrets.optional(),
    witnesses: witnesses.prefault({}),
    ignoreContainers: z
      .array(z.strictObject({ name: pattern, image: pattern }))
      .max(64)
      .default([]),
    exceptions: z.array(exception).max(256).default([]),
  })
  .refine(checksSomething, { message: CHECKS_NOTHING, path: ['pod'] })
  .describe('docs/posture.md');

type Parsed = z.output<typeof postureProfile>;

/** Adds the defaults that changed once: a profile of the first generation still allows what it always did. */
export function withProfileDefaults(profile: Parsed, defaults: number): PostureProfileSpec {
  const left = defaults === 0 ? 'allow' : 'deny';
  const { image: trusted, vulnerabilities: scanned, exposedSecrets: exposed } = profile;
  return {
    ...profile,
    image: { ...trusted, unmatched: trusted.unmatched ?? left },
    vulnerabilities: scanned && {
      ...scanned,
      unknownSeverity: scanned.unknownSeverity ?? left,
    },
    exposedSecrets: exposed && { ...exposed, unknownSeverity: exposed.unknownSeverity ?? left },
  };
}

function checksSomething({
  pod: checks,
  image: { registries, digest, deniedDigests, signatures, attestations },
  ...reports
}: {
  readonly pod: z.output<typeof pod>;
  readonly image: z.output<typeof image>;
  readonly vulnerabilities?: object | undefined;
  readonly exposedSecrets?: object | undefined;
}): boolean {
  const isDenying = [
    checks.ephemeralContainers,
    checks.defaultServiceAccount,
    checks.serviceAccountToken,
    checks.secretsInEnvironment,
    checks.secretValuesInEnvironment,
  ].includes('deny');
  return (
    isDenying ||
    reports.vulnerabilities !== undefined ||
    reports.exposedSecrets !== undefined ||
    checks.securityStandard !== undefined ||
    checks.resourceLimits === 'required' ||
    checks.networkPolicy === 'required' ||
    digest === 'pinned' ||
    [registries, deniedDigests, signatures, attestations].some((rules) => rules.length > 0)
  );
}
