import type { AuthLog } from '../auth-log.ts';
import type { TrustedKey } from './trusted-key.ts';
import { importJWK, type CryptoKey, type JWK } from 'jose';
import { jwsKey } from '../../crypto/signatures/jws-signature.ts';

const MOST_KEYS = 100;

/**
 * The usable keys of a JWK set (RFC 7517 §5) by `kid`; the others are logged and skipped.
 * @throws Error if it is not a key set, has over 100 keys, or has no usable key.
 */
export async function readJwks(
  document: unknown,
  log: AuthLog,
): Promise<ReadonlyMap<string, TrustedKey>> {
  const entries = entriesOf(document);
  const trusted = new Map<string, TrustedKey>();
  for (const [index, entry] of entries.entries()) {
    const key = await readJwk(entry);
    const reason = typeof key === 'string' ? key : trusted.has(key.kid) ? 'duplicate_kid' : '';
    if (typeof key !== 'string' && reason === '') trusted.set(key.kid, key);
    else log.warn({ index, reason }, 'a key of the set is not used');
  }
  if (trusted.size === 0) throw new Error('the key set has no usable key');
  return trusted;
}

function entriesOf(document: unknown): readonly unknown[] {
  const keys: unknown =
    typeof document === 'object' && document !== null && 'keys' in document
      ? document.keys
      : undefined;
  if (!Array.isArray(keys)) throw new Error('the answer is not a key set');
  if (keys.length > MOST_KEYS) throw new Error('the key set has over 100 keys');
  return keys;
}

const RSA_ALGORITHMS = ['RS256', 'RS384', 'RS512'];
const EC_ALGORITHMS: ReadonlyMap<string, string> = new Map([
  ['P-256', 'ES256'],
  ['P-384', 'ES384'],
  ['P-521', 'ES512'],
]);
const FEWEST_RSA_BITS = 2048;
/** Limit of an RSA key: with larger keys, one verification blocks the event loop for milliseconds. */
const MOST_RSA_BITS = 8192;
const LEAST_EXPONENT = 65_537;
const MOST_EXPONENT_BYTES = 4;
const LONGEST_KID = 256;
/** The use of a key in a SPIFFE bundle that signs tokens; the others, `x509-svid`, sign certificates. */
const JWT_SVID = 'jwt-svid';

type Members = Partial<Record<string, unknown>>;

/** The key, or the reason why it is not used: weak, private, symmetric, not for signatures, without a name, or not a key. */
export async function readJwk(entry: unknown): Promise<TrustedKey | string> {
  if (typeof entry !== 'object' || entry === null) return 'not_an_object';
  const jwk: Members = entry;
  const { kid } = jwk;
  if (typeof kid !== 'string' || kid === '' || kid.length > LONGEST_KID) return 'no_kid';
  if (!isForSignatures(jwk)) return 'not_for_signatures';
  if ('d' in jwk || 'k' in jwk) return 'not_public';
  const usable = publicKeyOf(jwk);
  return typeof usable === 'string' ? usable : importAll(kid, usable, jwk['alg']);
}

function isForSignatures({ use, key_ops: operations }: Members): boolean {
  const mayVerify = !Array.isArray(operations) || operations.includes('verify');
  return (use === undefined || use === 'sig' || use === JWT_SVID) && mayVerify;
}

function publicKeyOf(jwk: Members): PublicKey | string {
  if (jwk['kty'] === 'RSA') return rsa(jwk);
  return jwk['kty'] === 'EC' ? ec(jwk) : 'bad_kty';
}

interface PublicKey {
  readonly jwk: JWK;
  readonly algorithms: readonly string[];
}

function rsa({ n, e }: Members): PublicKey | string {
  if (typeof n !== 'string' || typeof e !== 'string') return 'malformed';
  const bits = bitLength(Buffer.from(n, 'base64url'));
  if (bits < FEWEST_RSA_BITS || bits > MOST_RSA_BITS) return 'weak_rsa';
  const exponent = Buffer.from(e, 'base64url');
  if (exponent.length === 0 || exponent.length > MOST_EXPONENT_BYTES) return 'weak_rsa';
  const value = exponent.readUIntBE(0, exponent.length);
  if (value < LEAST_EXPONENT || value % 2 === 0) return 'weak_rsa';
  return { jwk: { kty: 'RSA', n, e }, algorithms: RSA_ALGORITHMS };
}

function ec({ crv, x, y }: Members): PublicKey | string {
  if (typeof crv !== 'string' || typeof x !== 'string' || typeof y !== 'string') return 'malformed';
  const algorithm = EC_ALGORITHMS.get(crv);
  if (algorithm === undefined) return 'bad_curve';
  return { jwk: { kty: 'EC', crv, x, y }, algorithms: [algorithm] };
}

function bitLength(bytes: Buffer): number {
  const first = bytes.findIndex((byte) => byte !== 0);
  return first < 0 ? 0 : (bytes.length - first) * 8 - Math.clz32(bytes[first] ?? 0) + 24;
}

/** A key names its one algorithm, or may be used with all algorithms of its type. */
async function importAll(
  kid: string,
  { jwk, algorithms }: PublicKey,
  alg: unknown,
): Promise<TrustedKey | string> {
  const allowed = alg === undefined ? algorithms : algorithms.filter((name) => name === alg);
  if (allowed.length === 0) return 'bad_alg';
  try {
    const keys = await Promise.all(
      allowed.map(
        async (name) => [name, jwsKey((await importJWK(jwk, name)) as CryptoKey)] as const,
      ),
    );
    return { kid, byAlgorithm: new Map(keys) };
  } catch {
    return 'malformed';
  }
}
