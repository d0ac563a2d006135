import * as z from 'zod';
import { decodeBase64 } from '../../crypto/random/base64.ts';
import { sha256 } from '../../crypto/hashes/digest.ts';
import { dsseMessage } from '../../crypto/signatures/image-signature.ts';
import { BrokerError } from '../../domain/errors.ts';
import { pointerTo } from '../../domain/words/json-pointer.ts';
import { imageReference, isDigest } from '../../domain/posture/image-reference.ts';
import { SIGNATURE, type Statement } from '../../domain/posture/image-trust.ts';
import { schemaWords } from '../../domain/words/schema-words.ts';
import { exceededBound } from '../../domain/text/json-bounds.ts';
import { parseInput } from '../../broker/kernel/parse-input.ts';
import { parseStrictObject, type JsonObject } from '../../domain/text/strict-json.ts';

/** A signature or attestation in one of the forms of cosign. It is untrusted until its signature is verified, also when its signer is a trusted operator. */
export interface ParsedAttestation extends Omit<Statement, 'id' | 'createdAt' | 'scope'> {
  /** The images that it is about, as `sha256:<hex>`. */
  readonly subjects: readonly string[];
  /** Bytes that a key signs. */
  readonly message: Uint8Array;
  readonly signature: Uint8Array;
  /** A bundle for the verifier, if a certificate takes the place of the key. */
  readonly keyless: JsonObject | undefined;
}

export const MOST_SIGNATURE_BYTES = 65_536;
export const MOST_ATTESTATION_BYTES = 1_048_576;
/** A provenance of a large build has thousands of materials. The depth is bounded by the strict reader. */
const BOUNDS = { depth: 16, values: 100_000, bare: MOST_ATTESTATION_BYTES };
const MOST_SUBJECTS = 1_000;
/** Limit of log entries: each costs a signature check, and the library compares each with each. */
const MOST_ENTRIES = 4;

const BUNDLE_TYPES = [
  'application/vnd.dev.sigstore.bundle.v0.3+json',
  'application/vnd.dev.sigstore.bundle+json;version=0.3',
];
const IN_TOTO = 'application/vnd.in-toto+json';
const STATEMENTS = ['https://in-toto.io/Statement/v0.1', 'https://in-toto.io/Statement/v1'];
const COSIGN_SIGNATURE = 'https://sigstore.dev/cosign/sign/v1';
const SIMPLE_SIGNING = 'cosign container image signature';

const bytes = z
  .string()
  .min(1)
  .transform((text, context): Buffer => {
    const decoded = decodeBase64(text);
    if (decoded !== undefined) return decoded;
    context.addIssue({ code: 'custom', message: 'is not canonical base64 (RFC 4648 section 4)' });
    return z.NEVER;
  });

/** Content of the annotation `dev.sigstore.cosign/bundle`, written by cosign 2. */
const rekorBundle = z.strictObject({
  SignedEntryTimestamp: bytes,
  Payload: z.strictObject({
    body: bytes,
    integratedTime: z.int().nonnegative(),
    logIndex: z.int().nonnegative(),
    logID: z.string().regex(/^[0-9a-f]{64}$/),
  }),
});

const MOST_CERTIFICATE = 16_384;
const PEM_CERTIFICATE =
  /^-----BEGIN CERTIFICATE-----\r?\n([A-Za-z0-9+/=\r\n]+)-----END CERTIFICATE-----\s*$/;
const certificate = z
  .string()
  .max(MOST_CERTIFICATE)
  .regex(PEM_CERTIFICATE, 'must be one certificate in PEM');

const pushed = z.strictObject({
  digest: z
    .string()
    .regex(/^sha256:[0-9a-f]{64}$/, 'must be a digest such as sha256:<64 hexadecimal digits>')
    .optional(),
  attestation: z.looseObject({}),
});

/** The body of a push. @throws ERR_BODY_INVALID, ERR_UNKNOWN_FIELD with the pointer of each problem */
export function parsePushedAttestation(value: unknown): z.infer<typeof pushed> {
  return parseInput(pushed, value);
}

/** @throws ERR_BODY_TOO_LARGE */
export function checkSize({ length }: Uint8Array, most: number): void {
  if (length <= most) return;
  throw new BrokerError('ERR_BODY_TOO_LARGE', `it has ${length} bytes; the limit is ${most}`, {
    isDetailShown: true,
  });
}

const legacy = z.strictObject({ payload: bytes, signature: bytes });
const legacyKeyless = legacy.extend({ certificate, rekorBundle });

/** Limit of certificates, log entries and times as JSON. The library needs 3 ms for a KiB of the worst certificate. */
const MOST_MATERIAL = 65_536;
const isSmall = (material: unknown): boolean => JSON.stringify([material]).length <= MOST_MATERIAL;

const bundle = z.object({
  mediaType: z.enum(BUNDLE_TYPES, 'must be a Sigstore bundle of version 0.3'),
  dsseEnvelope: z.object(
    {
      payloadType: z.literal(IN_TOTO),
      payload: bytes,
      signatures: z.tuple([z.object({ sig: bytes })]),
    },
    'must be a bundle over a statement (dsseEnvelope)',
  ),
  verificationMaterial: z
    .unknown()
    .refine(isSmall, `must have at most ${MOST_MATERIAL} characters as JSON`)
    .pipe(
      z.object({
        certificate: z.object({ rawBytes: bytes }).optional(),
        tlogEntries: z.array(z.unknown()).max(MOST_ENTRIES).optional(),
        timestampVerificationData: z
          .object({ rfc3161Timestamps: z.array(z.unknown()).max(MOST_ENTRIES).optional() })
          .optional(),
      }),
    ),
});

const simpleSigning = z.object({
  critical: z.object({
    type: z.literal(SIMPLE_SIGNING),
    image: z.object({ 'docker-manifest-digest': z.string().refine(isDigest, 'is not a digest') }),
    identity: z.object({ 'docker-reference': z.string() }),
  }),
});

const hexDigest = z.string().regex(/^[0-9a-f]{64}$/);
const statement = z.object({
  _type: z.enum(STATEMENTS),
  predicateType: z.string().min(1).max(256),
  subject: z
    .array(z.object({ digest: z.object({ sha256: hexDigest.optional() }) }))
    .min(1)
    .max(MOST_SUBJECTS),
  predicate: z.unknown(),
});

const builderName = z.string().min(1).max(512);
const provenance = z.union([
  z
    .object({ runDetails: z.object({ builder: z.object({ id: builderName }) }) })
    .transform(({ runDetails }) => runDetails.builder.id),
  z.object({ builder: z.object({ id: builderName }) }).transform(({ builder }) => builder.id),
]);
const scan = z
  .object({ metadata: z.object({ scanFinishedOn: z.iso.datetime({ offset: true }) }) })
  .transform(({ metadata }) => Date.parse(metadata.scanFinishedOn));

/**
 * Reads an attestation as it was pushed or stored: a bundle, or `payload` and `signature` of a simple signing, by a key or with
 * `certificate` and `rekorBundle`.
 * @throws ERR_BODY_INVALID with the pointer below `/attestation`
 */
export function parseAttestation(value: unknown): ParsedAttestation {
  return isBundle(value) ? parseBundle(value) : parseLegacy(value);
}

function isBundle(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, 'mediaType');
}

function parseBundle(value: JsonObject): ParsedAttestation {
  const { dsseEnvelope, verificationMaterial } = parsed(bundle, value, '');
  const { payload, payloadType, signatures } = dsseEnvelope;
  const content = innerJson(payload, '/dsseEnvelope/payload');
  const { predicateType, subject, predicate } = parsed(statement, content, '/dsseEnvelope/payload');
  return {
    type: predicateType === COSIGN_SIGNATURE ? SIGNATURE : predicateType,
    subjects: subject.flatMap(({ digest: { sha256 } }) =>
      sha256 === undefined ? [] : [`sha256:${sha256}`],
    ),
    message: dsseMessage(payloadType, payload),
    signature: signatures[0].sig,
    keyless: verificationMaterial.certificate === undefined ? undefined : value,
    builder: provenance.safeParse(predicate).data,
    scannedAt: scan.safeParse(predicate).data,
  };
}

function parseLegacy(value: unknown): ParsedAttestation {
  const isKeyless = typeof value === 'object' && value !== null && 'certificate' in value;
  const keyless = isKeyless ? parsed(legacyKeyless, value, '') : undefined;
  const { payload, signature } = keyless ?? parsed(legacy, value, '');
  const { critical } = parsed(simpleSigning, innerJson(payload, '/payload'), '/payload');
  const named = imageReference(critical.identity['docker-reference']);
  if (named === undefined)
    throw refused('/payload/critical/identity/docker-reference', 'is not a repository');
  return {
    type: SIGNATURE,
    subjects: [critical.image['docker-manifest-digest']],
    message: payload,
    signature,
    keyless: keyless && bundleOf(keyless),
    repository: named.repository,
  };
}

/**
 * Converts the facts to a bundle of version 0.1, the form that the verifier reads: it has the promise of the log instead of a
 * proof.
 */
function bundleOf({
  payload,
  signature,
  certificate: pem,
  rekorBundle: { SignedEntryTimestamp, Payload },
}: z.output<typeof legacyKeyless>): JsonObject {
  const [, rawBytes = ''] = PEM_CERTIFICATE.exec(pem) ?? [];
  const { body, integratedTime, logIndex, logID } = Payload;
  return {
    mediaType: 'application/vnd.dev.sigstore.bundle+json;version=0.1',
    verificationMaterial: {
      x509CertificateChain: { certificates: [{ rawBytes: rawBytes.replaceAll(/\s/g, '') }] },
      tlogEntries: [
        {
          logIndex: String(logIndex),
          logId: { keyId: Buffer.from(logID, 'hex').toString('base64') },
          kindVersion: { kind: 'hashedrekord', version: '0.0.1' },
          integratedTime: String(integratedTime),
          inclusionPromise: { signedEntryTimestamp: SignedEntryTimestamp.toString('base64') },
          canonicalizedBody: body.toString('base64'),
        },
      ],
    },
    messageSignature: {
      messageDigest: { algorithm: 'SHA2_256', digest: sha256(payload).toString('base64') },
      signature: signature.toString('base64'),
    },
  };
}

function innerJson(payload: Uint8Array, at: string): JsonObject {
  const malformed = () =>
    refused(at, 'is not one JSON object without repeated members, at most 16 deep');
  if (exceededBound(Buffer.from(payload).toString('latin1'), BOUNDS) !== undefined)
    throw malformed();
  return parseStrictObject(payload, malformed);
}

function parsed<T>(schema: z.ZodType<T>, value: unknown, at: string): T {
  const { success, data, error } = schema.safeParse(value, { error: schemaWords });
  if (success) return data;
  const problems = error.issues.slice(0, 10).map(({ path, message }) => ({
    pointer: `/attestation${at}${pointerTo(path)}`,
    message,
  }));
  throw new BrokerError('ERR_BODY_INVALID', undefined, { problems, reason: 'schema' });
}

function refused(at: string, message: string): BrokerError {
  const problems = [{ pointer: `/attestation${at}`, message }];
  return new BrokerError('ERR_BODY_INVALID', undefined, { problems, reason: 'schema' });
}
