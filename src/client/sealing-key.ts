import {
  calculateJwkThumbprint,
  compactDecrypt,
  exportJWK,
  generateKeyPair,
  importJWK,
  SignJWT,
  type CryptoKey,
  type JWK,
} from 'jose';
import { sha256 } from '../crypto/hashes/digest.ts';
import { randomBytes } from '../crypto/random/random.ts';
import type { Authorization, Credential, RequestFacts } from './credential.ts';
import { UnreachableError } from './errors.ts';

const PROOF_ID_BYTES = 16;
/**
 * The broker accepts a proof that is up to 60 s old and up to 5 s in the future. Backdating makes it accept clocks that are up to 25 s fast and up to 40 s
 * slow.
 */
const BACKDATED_SECONDS = 20;

interface KeyParts {
  readonly publicJwk: JWK;
  readonly thumbprint: string;
  readonly signing: CryptoKey;
  readonly opening: CryptoKey;
}

/** A P-256 key of this process, or of a command line. It signs the proof of each request (RFC 9449) and decrypts answers (RFC 7516, ECDH-ES). */
export class SealingKey {
  /** RFC 7638; the broker identifies the key by it. */
  readonly thumbprint: string;
  readonly #publicJwk: JWK;
  readonly #signing: CryptoKey;
  readonly #opening: CryptoKey;

  private constructor({ publicJwk, thumbprint, signing, opening }: KeyParts) {
    this.thumbprint = thumbprint;
    this.#publicJwk = publicJwk;
    this.#signing = signing;
    this.#opening = opening;
  }

  static async generate(): Promise<SealingKey> {
    return SealingKey.of(await SealingKey.generateJwk());
  }

  /** A new private key, for a client that keeps it in a file. */
  static async generateJwk(): Promise<JWK> {
    const { privateKey } = await generateKeyPair('ES256', { extractable: true });
    return exportJWK(privateKey);
  }

  /** The key of a private JWK. The Web Crypto API needs one key object for each of its two uses. */
  static async of(jwk: JWK): Promise<SealingKey> {
    const { kty, crv, x, y } = jwk;
    const publicJwk = { kty, crv, x, y } as JWK;
    return new SealingKey({
      publicJwk,
      thumbprint: await calculateJwkThumbprint(publicJwk),
      signing: (await importJWK(jwk, 'ES256', { extractable: false })) as CryptoKey,
      opening: (await importJWK(jwk, 'ECDH-ES', { extractable: false })) as CryptoKey,
    });
  }

  /** Creates the credential of the login, which binds the session to this key. The answer to a login is not encrypted. */
  introduced(): Credential {
    return {
      authorize: async (request) => ({
        headers: { dpop: (await this.#prove(request, undefined)).proof },
      }),
    };
  }

  /**
   * Creates the credential of the session with this token. Each attempt has its own proof, and only the answer to that proof is
   * decrypted.
   */
  bearing(token: string): Credential {
    const authorize = async (request: RequestFacts): Promise<Authorization> => {
      const { proof, id } = await this.#prove(request, token);
      return {
        headers: { authorization: `DPoP ${token}`, dpop: proof },
        open: (sealed) => this.open(sealed, id),
      };
    };
    return { authorize };
  }

  /** @throws UnreachableError unless the answer is encrypted to this key, with these algorithms, for the proof with this id */
  async open(sealed: string, proofId: string): Promise<string> {
    try {
      const { plaintext, protectedHeader } = await compactDecrypt(sealed, this.#opening, {
        keyManagementAlgorithms: ['ECDH-ES'],
        contentEncryptionAlgorithms: ['A256GCM'],
        maxDecompressedLength: 0,
      });
      const { kid, jti, cty } = protectedHeader;
      if (kid === this.thumbprint && jti === proofId && cty === 'json') {
        return new TextDecoder('utf-8', { fatal: true }).decode(plaintext);
      }
    } catch {
      // The reason does not help the caller, and the library's errors contain the answer.
    }
    throw new UnreachableError('not_ours', 'the response is not sealed to this request');
  }

  async #prove(
    { method, url, at }: RequestFacts,
    token: string | undefined,
  ): Promise<{ readonly proof: string; readonly id: string }> {
    const id = randomBytes(PROOF_ID_BYTES).toString('base64url');
    const bound = token !== undefined && { ath: sha256(token).toString('base64url') };
    const proof = await new SignJWT({ jti: id, htm: method, htu: url, ...bound })
      .setProtectedHeader({ typ: 'dpop+jwt', alg: 'ES256', jwk: this.#publicJwk })
      .setIssuedAt(Math.floor(at / 1000) - BACKDATED_SECONDS)
      .sign(this.#signing);
    return { proof, id };
  }
}
