import {
  createPrivateKey,
  createPublicKey,
  generateKeyPair as generate,
  type KeyObject,
} from 'node:crypto';

export const KEY_TYPES = ['ed25519', 'ec-p256', 'rsa-2048', 'rsa-3072', 'rsa-4096'] as const;
export type KeyType = (typeof KEY_TYPES)[number];

/** One key in the forms that programs read. */
export interface KeyPair {
  /** PKCS #8 (RFC 5958) in PEM, not encrypted. */
  readonly privateKey: string;
  /** SubjectPublicKeyInfo (RFC 5280 section 4.1) in PEM. */
  readonly publicKey: string;
  /** One line of an `authorized_keys` file, without comment and line end (RFC 4253 section 6.6, RFC 5656, RFC 8709). */
  readonly openSsh: string;
}

const PUBLIC_EXPONENT = 65_537;

/** Generates a key pair off the main thread: a prime of 2048 bits can take a second. */
export async function generateKeyPair(type: KeyType): Promise<KeyPair> {
  const privateKey = await generateKeys(type);
  return { privateKey: pemOf(privateKey), ...publicFormsOf(createPublicKey(privateKey)) };
}

/** The public forms of a private key in PEM, and its type; undefined if the text is not a private key of one of these types. */
export function readKeyPair(
  privateKey: string,
): (KeyPair & { readonly type: KeyType }) | undefined {
  const key = parsePrivateKey(privateKey);
  const type = key === undefined ? undefined : typeOf(key);
  if (key === undefined || type === undefined) return undefined;
  return { privateKey: pemOf(key), type, ...publicFormsOf(createPublicKey(key)) };
}

function generateKeys(type: KeyType): Promise<KeyObject> {
  const { promise, resolve, reject } = Promise.withResolvers<KeyObject>();
  const done = (error: Error | null, _publicKey: KeyObject, privateKey: KeyObject): void => {
    if (error === null) resolve(privateKey);
    else reject(error);
  };
  if (type === 'ed25519') generate('ed25519', undefined, done);
  else if (type === 'ec-p256') generate('ec', { namedCurve: 'prime256v1' }, done);
  else {
    const modulusLength = Number(type.slice('rsa-'.length));
    generate('rsa', { modulusLength, publicExponent: PUBLIC_EXPONENT }, done);
  }
  return promise;
}

function parsePrivateKey(text: string): KeyObject | undefined {
  try {
    return createPrivateKey(text);
  } catch {
    return undefined;
  }
}

function typeOf(key: KeyObject): KeyType | undefined {
  const { asymmetricKeyType, asymmetricKeyDetails } = key;
  if (asymmetricKeyType === 'ed25519') return 'ed25519';
  if (asymmetricKeyType === 'ec') {
    return asymmetricKeyDetails?.namedCurve === 'prime256v1' ? 'ec-p256' : undefined;
  }
  const bits = asymmetricKeyDetails?.modulusLength ?? 0;
  return KEY_TYPES.find((type) => asymmetricKeyType === 'rsa' && type === `rsa-${bits}`);
}

function pemOf(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }) as string;
}

function publicFormsOf(key: KeyObject): Pick<KeyPair, 'publicKey' | 'openSsh'> {
  const publicKey = key.export({ type: 'spki', format: 'pem' }) as string;
  const fields = openSshFields(key);
  const encoded = Buffer.concat(fields.map(lengthPrefixed)).toString('base64');
  return { publicKey, openSsh: `${fields[0]?.toString() ?? ''} ${encoded}` };
}

/** The fields of an OpenSSH public key; the first is the name of the algorithm. */
function openSshFields(key: KeyObject): readonly Buffer[] {
  const jwk = key.export({ format: 'jwk' });
  const bytes = (name: 'x' | 'y' | 'e' | 'n'): Buffer => Buffer.from(jwk[name] ?? '', 'base64url');
  if (key.asymmetricKeyType === 'ed25519') return [Buffer.from('ssh-ed25519'), bytes('x')];
  if (key.asymmetricKeyType === 'rsa') {
    return [Buffer.from('ssh-rsa'), positive(bytes('e')), positive(bytes('n'))];
  }
  const point = Buffer.concat([Buffer.of(4), bytes('x'), bytes('y')]);
  return [Buffer.from('ecdsa-sha2-nistp256'), Buffer.from('nistp256'), point];
}

/** Bytes of an `mpint` (RFC 4251 section 5): a leading one bit would make it negative, so a zero byte precedes it. */
function positive(magnitude: Buffer): Buffer {
  return (magnitude[0] ?? 0) & 0x80 ? Buffer.concat([Buffer.of(0), magnitude]) : magnitude;
}

function lengthPrefixed(field: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(field.length);
  return Buffer.concat([length, field]);
}
