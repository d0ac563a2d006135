import { BrokerError } from '../../domain/errors.ts';
import { sha256Hex } from '../../crypto/hashes/digest.ts';
import { isSignedBy, signerKey } from '../../crypto/signatures/image-signature.ts';
import { TrustRoot } from '../../crypto/signatures/keyless-signature.ts';
import type { PinnedRoot, Statement, TrustAnchor } from '../../domain/posture/image-trust.ts';
import type { Signer } from '../../domain/posture/trusted-identity.ts';
import { parseAttestation, type ParsedAttestation } from './parse-attestation.ts';

/** The content of an attestation, as far as decisions read it. */
export interface AttestationContent extends Pick<
  Statement,
  'type' | 'repository' | 'builder' | 'scannedAt'
> {
  /** Names what was signed and the signature, whatever else the pushed bytes contain. */
  readonly signed: string;
}

/** Signers by the id of the key or root that verified them; `null`: not signed by it. */
export type Signers = ReadonlyMap<string, Signer | null>;

export interface ReadAttestation {
  /** The images that it is about, as `sha256:<hex>`. */
  readonly subjects: readonly string[];
  readonly content: AttestationContent;
  readonly signers: Signers;
}

const anchorIds = new WeakMap<PinnedRoot, string>();

/** The id of a key, or the digest of a root. */
export function anchorId(anchor: TrustAnchor): string {
  if ('key' in anchor) return anchor.key.id;
  const { root } = anchor;
  const known = anchorIds.get(root) ?? `root:${sha256Hex(JSON.stringify(root))}`;
  anchorIds.set(root, known);
  return known;
}

/**
 * Reads the JSON of an attestation, and finds its signers among the anchors.
 * @throws ERR_BODY_INVALID with the pointer below `/attestation`
 */
export function readContent(body: Uint8Array, anchors: readonly TrustAnchor[]): ReadAttestation {
  const parsed = parseAttestation(JSON.parse(Buffer.from(body).toString()));
  return {
    subjects: parsed.subjects,
    content: contentOf(parsed),
    signers: new Map(
      anchors.map((anchor) => [anchorId(anchor), verifiedSigner(parsed, anchor) ?? null]),
    ),
  };
}

export function contentOf(parsed: ParsedAttestation): AttestationContent {
  const { type, repository, builder, scannedAt, message, signature } = parsed;
  // Members that no check reads, in any number of copies, do not make another signature of it.
  const signed = sha256Hex(sha256Hex(message), sha256Hex(signature));
  return { type, repository, builder, scannedAt, signed };
}

const roots = new WeakMap<PinnedRoot, { readonly root: TrustRoot | undefined }>();

/** The signer, if the anchor verifies the signature. */
export function verifiedSigner(
  { keyless, message, signature }: ParsedAttestation,
  by: TrustAnchor,
): Signer | undefined {
  if ('key' in by) {
    const key = signerKey(by.key.pem);
    return key !== undefined && isSignedBy(key, message, signature) ? { keyId: key.id } : undefined;
  }
  if (keyless === undefined) return undefined;
  const known = roots.get(by.root) ?? { root: rootOf(by.root) };
  roots.set(by.root, known);
  return known.root?.signerOf(keyless, message);
}

/** A root that does not parse trusts no signer. */
function rootOf(json: PinnedRoot): TrustRoot | undefined {
  try {
    return new TrustRoot(json);
  } catch {
    return undefined;
  }
}

/**
 * Chooses the image for which an attestation is stored: the one that its sender names, or the only one of its statement.
 * @throws ERR_BODY_INVALID
 */
export function subjectOf({
  subjects,
  wanted,
}: Pick<ReadAttestation, 'subjects'> & { readonly wanted: string | undefined }): string {
  const [only, ...more] = subjects;
  if (wanted !== undefined && subjects.includes(wanted)) return wanted;
  if (wanted === undefined && only !== undefined && more.length === 0) return only;
  const message =
    wanted === undefined
      ? `must name the image, because the statement is about ${subjects.length}`
      : 'is not an image that the statement is about';
  throw new BrokerError('ERR_BODY_INVALID', undefined, {
    problems: [{ pointer: '/digest', message }],
    reason: 'digest_mismatch',
  });
}
