import { X509Certificate } from 'node:crypto';
import type * as Bundles from '@sigstore/bundle';
import type * as Specs from '@sigstore/protobuf-specs';
import type * as Verification from '@sigstore/verify';

/** A signer without a key of its own, as Fulcio's certificate names it. */
export interface KeylessSigner {
  readonly issuer: string;
  readonly subject: string;
  readonly subjectType: 'uri' | 'email';
  /** Milliseconds since the epoch: the end of the certificate, so the signature is older. */
  readonly signedBefore: number;
}

interface Sigstore {
  readonly bundle: typeof Bundles;
  readonly verify: typeof Verification;
  readonly specs: typeof Specs;
}

/** Limit of a root as JSON. The library needs 3 ms for a KiB of the worst certificate; the root of Sigstore itself has 8 KiB. */
const MOST_ROOT = 65_536;

let sigstore: Sigstore | undefined;

/** Loads the libraries. Verification itself does not wait, because a decision about a read does not. */
export async function loadKeyless(): Promise<void> {
  const [bundle, verify, specs] = await Promise.all([
    import('@sigstore/bundle'),
    import('@sigstore/verify'),
    import('@sigstore/protobuf-specs'),
  ]);
  sigstore = { bundle, verify, specs };
}

/** Certificate authorities, logs and time-stamping authorities of a Sigstore instance. */
export class TrustRoot {
  readonly #sigstore: Sigstore;
  readonly #verifier: Verification.Verifier;

  /** @param json a `trusted_root.json`. @throws Error for another document, and before `loadKeyless` */
  constructor(json: unknown) {
    if (sigstore === undefined)
      throw new Error('the libraries for keyless signatures are not loaded');
    if (JSON.stringify([json]).length > MOST_ROOT)
      throw new Error(`it has more than ${MOST_ROOT} characters`);
    this.#sigstore = sigstore;
    const root = sigstore.specs.TrustedRoot.fromJSON(json);
    const material = sigstore.verify.toTrustMaterial(root);
    if (material.certificateAuthorities.length === 0)
      throw new Error('it has no certificate authority');
    if (material.tlogs.length === 0) throw new Error('it has no transparency log');
    if (material.ctlogs.length === 0) throw new Error('it has no log of certificates');
    // One entry of each log and one trusted time are required: without a time, an expired certificate could be used forever.
    const thresholds = { tlogThreshold: 1, ctlogThreshold: 1, timestampThreshold: 1 };
    this.#verifier = new sigstore.verify.Verifier(material, thresholds);
  }

  /**
   * Verifies a signature; undefined if it is invalid. `message`: the signed bytes, if the bundle does not contain them. The caller compares what was
   * signed, and who signed it.
   */
  signerOf(bundleJson: unknown, message?: Uint8Array): KeylessSigner | undefined {
    try {
      const bundle = this.#sigstore.bundle.bundleFromJSON(bundleJson);
      const entity = this.#sigstore.verify.toSignedEntity(bundle, message && Buffer.from(message));
      if (entity.key.$case !== 'certificate') return undefined;
      const { identity } = this.#verifier.verify(entity);
      const issuer = identity?.extensions?.issuer;
      const { root, notAfter } = entity.key.certificate;
      const named = onlyName(root.toDER());
      if (issuer === undefined || named === undefined) return undefined;
      return { issuer, ...named, signedBefore: notAfter.getTime() };
    } catch {
      return undefined;
    }
  }
}

/** Printable ASCII: Node quotes and escapes names with other characters. */
const ONLY_NAME = /^(URI|email):([!-+\--~]+)$/;

/**
 * The subject of a certificate that has exactly one name, as Fulcio's have: with two, the compared name could differ from the intended one. Node
 * reads it, because the library drops the highest bit of each character, so that another name could read as the trusted one.
 */
function onlyName(der: Buffer): Pick<KeylessSigner, 'subject' | 'subjectType'> | undefined {
  const [, type, subject] = ONLY_NAME.exec(new X509Certificate(der).subjectAltName ?? '') ?? [];
  if (subject === undefined) return undefined;
  return { subject, subjectType: type === 'URI' ? 'uri' : 'email' };
}
