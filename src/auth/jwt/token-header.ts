import { tokenRefused } from '../token-refused.ts';
import { parseStrictObject } from '../../domain/text/strict-json.ts';

/** The algorithms of kube-apiserver; symmetric algorithms and `none` are not among them (RFC 8725 §3.1, §3.2). */
const ALGORITHMS: ReadonlySet<string> = new Set([
  'RS256',
  'RS384',
  'RS512',
  'ES256',
  'ES384',
  'ES512',
]);
/** Keys that a token contains do not make it trusted (RFC 8725 §3.10; CVE-2018-0114). */
const KEY_PARAMETERS = ['jwk', 'jku', 'x5u', 'x5c', 'x5t', 'x5t#S256'];
const LONGEST_KID = 256;

export interface TokenHeader {
  readonly alg: string;
  /** '' if the token names none, which only an ID token may. */
  readonly kid: string;
}

/** Forms that ID tokens may have and tokens of workloads may not. */
interface MoreForms {
  readonly algorithms: ReadonlySet<string>;
  /** An issuer with one key may leave `kid` out (OpenID Connect Core §10.1). */
  readonly isKeyIdOptional: boolean;
}

const NO_MORE: MoreForms = { algorithms: new Set(), isKeyIdOptional: false };

/** @throws ERR_TOKEN_INVALID `malformed`, `duplicate_claim`, `bad_alg`, `bad_typ`, `bad_crit`, `key_not_trusted`, `bad_kid`. */
export function readTokenHeader(bytes: Uint8Array, more = NO_MORE): TokenHeader {
  const header = parseStrictObject(bytes, tokenRefused);
  const { alg, typ, kid } = header;
  if (typeof alg !== 'string' || !isAccepted(alg, more)) throw tokenRefused('bad_alg');
  if (typ !== undefined && typ !== 'JWT') throw tokenRefused('bad_typ');
  // The broker supports no extension, `b64` (RFC 7797) included.
  if ('crit' in header || 'b64' in header) throw tokenRefused('bad_crit');
  if (KEY_PARAMETERS.some((name) => name in header)) throw tokenRefused('key_not_trusted');
  return { alg, kid: kid === undefined && more.isKeyIdOptional ? '' : keyIdOf(kid) };
}

function isAccepted(alg: string, more: MoreForms): boolean {
  return ALGORITHMS.has(alg) || more.algorithms.has(alg);
}

function keyIdOf(kid: unknown): string {
  if (typeof kid === 'string' && kid !== '' && kid.length <= LONGEST_KID) return kid;
  throw tokenRefused('bad_kid');
}
