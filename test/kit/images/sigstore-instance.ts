import { createHash, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { initializeCA, initializeCTLog, initializeTLog } from '@sigstore/mock';

const PAYLOAD_TYPE = 'application/vnd.in-toto+json';
const ISSUER_OID = '1.3.6.1.4.1.57264.1.8';
const keyPair = () => generateKeyPairSync('ec', { namedCurve: 'P-256' });
const base64 = (view: ArrayBufferView): string =>
  Buffer.from(view.buffer, view.byteOffset, view.byteLength).toString('base64');

/** An entry as the log answers it; the package with its type is not installed. */
interface LoggedEntry {
  readonly body: string;
  readonly integratedTime: number;
  readonly logID: string;
  readonly logIndex: number;
  readonly verification: {
    readonly signedEntryTimestamp: string;
    readonly inclusionProof: {
      readonly logIndex: number;
      readonly treeSize: number;
      readonly rootHash: string;
      readonly checkpoint: string;
    };
  };
}

export interface Identity {
  readonly issuer: string;
  /** A URI: the authority certifies no other names. */
  readonly subject: string;
}

/** A Sigstore instance of its own, made of the parts with which Sigstore tests its clients: a certificate authority and two logs. */
export class SigstoreInstance {
  readonly trustedRoot: Readonly<Record<string, unknown>>;
  readonly #ca: Awaited<ReturnType<typeof initializeCA>>;
  readonly #log: Awaited<ReturnType<typeof initializeTLog>>;

  private constructor(
    trustedRoot: Readonly<Record<string, unknown>>,
    ca: Awaited<ReturnType<typeof initializeCA>>,
    log: Awaited<ReturnType<typeof initializeTLog>>,
  ) {
    this.trustedRoot = trustedRoot;
    this.#ca = ca;
    this.#log = log;
  }

  static async start(): Promise<SigstoreInstance> {
    const certificates = await initializeCTLog(keyPair());
    const ca = await initializeCA(keyPair(), certificates);
    const log = await initializeTLog('https://rekor.test', keyPair());
    const validFor = { start: '2020-01-01T00:00:00Z' };
    const logOf = (publicKey: Buffer, keyId: string): object => ({
      baseUrl: 'https://rekor.test',
      hashAlgorithm: 'SHA2_256',
      logId: { keyId },
      publicKey: {
        rawBytes: publicKey.toString('base64'),
        validFor,
        keyDetails: 'PKIX_ECDSA_P256_SHA_256',
      },
    });
    const logId = createHash('sha256').update(log.publicKey).digest('base64');
    const trustedRoot = {
      mediaType: 'application/vnd.dev.sigstore.trustedroot+json;version=0.1',
      certificateAuthorities: [
        { certChain: { certificates: [{ rawBytes: base64(ca.rootCertificate) }] }, validFor },
      ],
      ctlogs: [logOf(certificates.publicKey, base64(certificates.logID))],
      tlogs: [logOf(log.publicKey, logId)],
      timestampAuthorities: [],
    };
    return new SigstoreInstance(trustedRoot, ca, log);
  }

  /** Signs as cosign does without a key: a key for this signature, its certificate, and an entry of the log. */
  async sign(digest: string, identity: Identity): Promise<Readonly<Record<string, unknown>>> {
    const { publicKey, privateKey } = keyPair();
    const certificate = await this.#certify(publicKey, identity);
    const payload = Buffer.from(
      JSON.stringify({
        _type: 'https://in-toto.io/Statement/v1',
        subject: [{ digest: { sha256: digest.slice('sha256:'.length) } }],
        predicateType: 'https://sigstore.dev/cosign/sign/v1',
        predicate: {},
      }),
    );
    const head = `DSSEv1 ${PAYLOAD_TYPE.length} ${PAYLOAD_TYPE} ${payload.length} `;
    const message = Buffer.concat([Buffer.from(head), payload]);
    const sig = sign('sha256', message, privateKey).toString('base64');
    return {
      mediaType: 'application/vnd.dev.sigstore.bundle.v0.3+json',
      verificationMaterial: {
        certificate: { rawBytes: base64(certificate) },
        tlogEntries: [await this.#entry(payload, sig)],
      },
      dsseEnvelope: {
        payload: payload.toString('base64'),
        payloadType: PAYLOAD_TYPE,
        signatures: [{ sig }],
      },
    };
  }

  /** Signs as cosign 2 does without a key: a simple signing, with the annotations of its layer. */
  async signLegacy(
    digest: string,
    identity: Identity,
    repository = 'registry.test/prod/web',
  ): Promise<{
    readonly payload: string;
    readonly signature: string;
    readonly certificate: string;
    readonly rekorBundle: Readonly<Record<string, unknown>>;
  }> {
    const { publicKey, privateKey } = keyPair();
    const certificate = await this.#certify(publicKey, identity);
    const lines = base64(certificate).match(/.{1,64}/g) ?? [];
    const pem = ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join(
      '\n',
    );
    const critical = {
      identity: { 'docker-reference': repository },
      image: { 'docker-manifest-digest': digest },
      type: 'cosign container image signature',
    };
    const payload = Buffer.from(JSON.stringify({ critical, optional: null }));
    const signature = sign('sha256', payload, privateKey).toString('base64');
    const logged = await this.#log.log({
      apiVersion: '0.0.1',
      kind: 'hashedrekord',
      spec: {
        signature: {
          content: signature,
          publicKey: { content: Buffer.from(pem).toString('base64') },
        },
        data: {
          hash: { algorithm: 'sha256', value: createHash('sha256').update(payload).digest('hex') },
        },
      },
    });
    const [entry] = Object.values(logged) as [LoggedEntry];
    const { body, integratedTime, logIndex, logID } = entry;
    return {
      payload: payload.toString('base64'),
      signature,
      certificate: pem,
      rekorBundle: {
        SignedEntryTimestamp: entry.verification.signedEntryTimestamp,
        Payload: { body, integratedTime, logIndex, logID },
      },
    };
  }

  #certify(publicKey: KeyObject, { issuer, subject }: Identity): Promise<ArrayBufferView> {
    return this.#ca.issueCertificate({
      publicKey: publicKey.export({ type: 'spki', format: 'der' }),
      subjectAltName: subject,
      extensions: [{ oid: ISSUER_OID, value: issuer }],
    });
  }

  async #entry(payload: Buffer, signature: string): Promise<object> {
    const value = createHash('sha256').update(payload).digest('hex');
    const logged = await this.#log.log({
      apiVersion: '0.0.1',
      kind: 'dsse',
      spec: { signatures: [{ signature }], payloadHash: { algorithm: 'sha256', value } },
    });
    const [entry] = Object.values(logged) as [LoggedEntry];
    const { inclusionProof: proof, signedEntryTimestamp } = entry.verification;
    return {
      logIndex: String(entry.logIndex),
      logId: { keyId: Buffer.from(entry.logID, 'hex').toString('base64') },
      kindVersion: { kind: 'dsse', version: '0.0.1' },
      integratedTime: String(entry.integratedTime),
      inclusionPromise: { signedEntryTimestamp },
      inclusionProof: {
        logIndex: String(proof.logIndex),
        treeSize: String(proof.treeSize),
        hashes: [],
        rootHash: Buffer.from(proof.rootHash, 'hex').toString('base64'),
        checkpoint: { envelope: proof.checkpoint },
      },
      canonicalizedBody: entry.body,
    };
  }
}
