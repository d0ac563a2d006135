import type { SecretData } from '../../domain/secrets/secret.ts';
import { failMalformed } from './errors.ts';
import { BrokerError } from '../../domain/errors.ts';

const MOST_KEYS = 256;

/**
 * Converts a KV object to a secret: strings stay, any other JSON value becomes its JSON text.
 * @throws ERR_PROVIDER_MALFORMED unless it is an object of 1 to 256 keys in well-formed Unicode.
 */
export function toSecretData(value: unknown): SecretData {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return failMalformed('data_shape');
  }
  const entries = Object.entries(value);
  if (entries.length === 0 || entries.length > MOST_KEYS) return failMalformed('data_size');
  // fromEntries defines properties; an assignment to `__proto__` would change the object's prototype.
  return Object.fromEntries(entries.map(([key, item]) => [wellFormed(key), textOf(item)]));
}

function textOf(item: unknown): string {
  if (typeof item === 'string') return wellFormed(item);
  try {
    return wellFormed(JSON.stringify(item));
  } catch {
    // Nested deeper than the stack: the parser reads it, but the serializer fails.
    return failMalformed('data_depth');
  }
}

function wellFormed(text: string): string {
  return text.isWellFormed() ? text : failMalformed('data_encoding');
}

/** The content of a KV secret: any JSON object. */
export type KvObject = Readonly<Record<string, unknown>>;

/** @throws ERR_PROVIDER_MALFORMED */
export function toKvObject(value: unknown): KvObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return failMalformed('data_shape');
  }
  return value as KvObject;
}

/**
 * Builds the object to write so that a read returns `data`. Unchanged values keep their JSON form, so that a number remains one.
 * With `key` only that value changes.
 * @throws ERR_NOT_FOUND if there is no object to change the key in; ERR_CONFLICT for a value that no KV secret can hold.
 */
export function kvObjectOf(
  data: SecretData,
  current: KvObject | undefined,
  key: string | undefined,
): KvObject {
  const known = current === undefined || isEmpty(current) ? {} : toSecretData(current);
  const entries = Object.entries(data).map(([name, value]): [string, unknown] => [
    name,
    current !== undefined && known[name] === value ? current[name] : plainText(value),
  ]);
  if (key === undefined) return Object.fromEntries(entries);
  if (current === undefined) throw new BrokerError('ERR_NOT_FOUND');
  if (entries.length !== 1 || entries[0]?.[0] !== key) {
    throw conflict(
      'one_key',
      'the reference names one key: a value of others needs the whole secret',
    );
  }
  return Object.fromEntries([...Object.entries(current), ...entries]);
}

function isEmpty(object: KvObject): boolean {
  return Object.keys(object).length === 0;
}

function plainText(value: SecretData[string]): string {
  if (typeof value === 'string') return value;
  throw conflict('not_text', 'a KV secret holds text and no bytes');
}

function conflict(reason: string, detail: string): BrokerError {
  return new BrokerError('ERR_CONFLICT', detail, { reason });
}
