import type { SecretData } from '../../domain/secret.ts';
import { failMalformed } from './errors.ts';

const MOST_KEYS = 256;

/**
 * A KV object as a secret: strings stay, any other JSON value becomes its JSON text.
 * @throws ERR_PROVIDER_MALFORMED for anything but an object of 1 to 256 keys in well-formed Unicode.
 */
export function toSecretData(value: unknown): SecretData {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return failMalformed('data_shape');
  }
  const entries = Object.entries(value);
  if (entries.length === 0 || entries.length > MOST_KEYS) return failMalformed('data_size');
  // fromEntries defines, where an assignment to `__proto__` would change the object itself.
  return Object.fromEntries(entries.map(([key, item]) => [wellFormed(key), textOf(item)]));
}

function textOf(item: unknown): string {
  if (typeof item === 'string') return wellFormed(item);
  try {
    return wellFormed(JSON.stringify(item));
  } catch {
    // Nested deeper than the stack: the parser manages what the printer does not.
    return failMalformed('data_depth');
  }
}

function wellFormed(text: string): string {
  return text.isWellFormed() ? text : failMalformed('data_encoding');
}
