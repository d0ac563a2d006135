import { isJwsSignature } from '../../crypto/signatures/jws-signature.ts';
import type { CallContext } from '../../ports/call-context.ts';
import { parseCompactToken } from '../jwt/compact-token.ts';
import { readTokenHeader } from '../jwt/token-header.ts';
import { tokenRefused } from '../token-refused.ts';
import type { KeySet } from './key-set.ts';

/** Checks signatures with the cluster's own keys (RFC 7515 §5.2). It reads nothing of the payload before. */
export class JwksVerifier {
  readonly #keys: KeySet;

  constructor(keys: KeySet) {
    this.#keys = keys;
  }

  /** The signed payload. @throws ERR_TOKEN_INVALID, ERR_IDENTITY_UNAVAILABLE. */
  async verify(token: string, context: Pick<CallContext, 'signal'>): Promise<Uint8Array> {
    const { header, payload, signature, input } = parseCompactToken(token);
    const { alg, kid } = readTokenHeader(header);
    const trusted = await this.#keys.find(kid, context);
    if (trusted === undefined) throw tokenRefused('key_not_trusted');
    const key = trusted.byAlgorithm.get(alg);
    if (key === undefined) throw tokenRefused('bad_alg');
    if (!isJwsSignature(alg, key, { input, signature })) throw tokenRefused('bad_signature');
    return payload;
  }

  close(): void {
    this.#keys.close();
  }
}
