import { BrokerError } from '../../../domain/errors.ts';
import type { SecretData } from '../../../domain/secrets/secret.ts';

const MAX_KEYS = 256;
const MAX_BYTES = 1_048_576;

type Entry = readonly [string, SecretData[string]];

function byKey([left]: Entry, [right]: Entry): number {
  if (left === right) return 0;
  return left < right ? -1 : 1;
}

function encodeEntry([key, value]: Entry): string {
  const text = typeof value === 'string' ? value : { base64: value.base64 };
  return `${JSON.stringify(key)}:${JSON.stringify(text)}`;
}

/**
 * Encodes the plaintext of one version, internals/spec/secret-value-v1.md: JSON without spaces, keys in UTF-16 order.
 * @throws ERR_BODY_INVALID without keys or with over 256; ERR_BODY_TOO_LARGE over 1 MiB.
 */
export function encodeSecret(data: SecretData): Buffer {
  const entries = Object.entries(data).sort(byKey);
  if (entries.length === 0 || entries.length > MAX_KEYS) {
    throw new BrokerError('ERR_BODY_INVALID', `a secret has 1 to ${MAX_KEYS} keys`);
  }
  const encoded = Buffer.from(`{${entries.map(encodeEntry).join(',')}}`);
  if (encoded.length > MAX_BYTES) {
    throw new BrokerError('ERR_BODY_TOO_LARGE', `a secret is at most ${MAX_BYTES} bytes`);
  }
  return encoded;
}

/** Reads the output of `encodeSecret`. The text was authenticated before, so its shape is not checked again. */
export function decodeSecret(plaintext: Uint8Array): SecretData {
  return JSON.parse(Buffer.from(plaintext).toString('utf8')) as SecretData;
}
