import { createHash, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';

const PAYLOAD_TYPE = 'application/vnd.in-toto+json';
const SIGNATURE = 'https://sigstore.dev/cosign/sign/v1';

type KeyType = 'ec' | 'rsa' | 'ed25519';

function keyPair(type: KeyType): { readonly publicKey: KeyObject; readonly privateKey: KeyObject } {
  if (type === 'ec') return generateKeyPairSync('ec', { namedCurve: 'P-256' });
  if (type === 'rsa') return generateKeyPairSync('rsa', { modulusLength: 2_048 });
  return generateKeyPairSync('ed25519');
}

/** Signs images with a key, in the formats of cosign. A suite with the real cosign compares them. */
export class ImageSigner {
  readonly pem: string;
  readonly keyId: string;
  readonly #key: KeyObject;

  constructor(type: KeyType = 'ec') {
    const { publicKey, privateKey } = keyPair(type);
    this.#key = privateKey;
    this.pem = publicKey.export({ type: 'spki', format: 'pem' }) as string;
    const der = publicKey.export({ type: 'spki', format: 'der' });
    this.keyId = `sha256:${createHash('sha256').update(der).digest('hex')}`;
  }

  /** Payload and signature of a simple signing. */
  legacy(digest: string, repository = 'registry.test/prod/web'): object {
    const critical = {
      identity: { 'docker-reference': repository },
      image: { 'docker-manifest-digest': digest },
      type: 'cosign container image signature',
    };
    const payload = Buffer.from(JSON.stringify({ critical, optional: null }));
    return { payload: payload.toString('base64'), signature: this.#sign(payload) };
  }

  bundle(
    digest: string | readonly string[],
    predicateType = SIGNATURE,
    predicate: unknown = {},
  ): object {
    const digests = typeof digest === 'string' ? [digest] : digest;
    return this.bundleOf({
      _type: 'https://in-toto.io/Statement/v1',
      subject: digests.map((each) => ({ digest: { sha256: each.slice('sha256:'.length) } })),
      predicateType,
      predicate,
    });
  }

  provenance(digest: string, builder: string): object {
    const predicate = { buildDefinition: {}, runDetails: { builder: { id: builder } } };
    return this.bundle(digest, 'https://slsa.dev/provenance/v1', predicate);
  }

  scan(digest: string, scanFinishedOn: string): object {
    const predicate = { scanner: { uri: 'test' }, metadata: { scanFinishedOn } };
    return this.bundle(digest, 'https://cosign.sigstore.dev/attestation/vuln/v1', predicate);
  }

  /** A bundle over any statement. */
  bundleOf(statement: unknown): object {
    const payload = Buffer.from(JSON.stringify(statement));
    const head = `DSSEv1 ${PAYLOAD_TYPE.length} ${PAYLOAD_TYPE} ${payload.length} `;
    const sig = this.#sign(Buffer.concat([Buffer.from(head), payload]));
    return {
      mediaType: 'application/vnd.dev.sigstore.bundle.v0.3+json',
      verificationMaterial: { publicKey: { hint: this.keyId } },
      dsseEnvelope: {
        payload: payload.toString('base64'),
        payloadType: PAYLOAD_TYPE,
        signatures: [{ sig }],
      },
    };
  }

  #sign(message: Uint8Array): string {
    const algorithm = this.#key.asymmetricKeyType === 'ed25519' ? null : 'sha256';
    return sign(algorithm, message, this.#key).toString('base64');
  }
}
