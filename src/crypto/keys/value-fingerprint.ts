import type { SecretData } from '../../domain/secrets/secret.ts';
import { hmac } from '../hashes/digest.ts';
import type { LookupKeys } from './lookup-keys.ts';
import type { SecretKey } from '../random/secret-key.ts';

/** Names by which audit entries identify a value; `version` is its version if the backend has none (internals/spec/audit-log-v1.md, "Fingerprints"). */
export interface Fingerprint {
  readonly fingerprint: string;
  /**
   * One fingerprint for each key in order, joined by dots, for a secret of several keys: finds a leaked value of one key. Empty for a short value.
   */
  readonly fields: string | undefined;
  /** `d-…`: changes exactly when the value does. */
  readonly version: string;
}

/** Recognises entries about a value that an operator searches for. */
export interface TracedValue {
  /** Reports whether an entry with this path and these fingerprints is about the value. */
  readonly isIn: (path: string, fingerprint: string, fields?: string) => boolean;
}

const HALF = 16;
const PREFIX = 'v2.';
const FIELD_BYTES = 12;
const MOST_FIELDS = 16;
/** Fingerprints exist from this length on: a caller that can write guesses to the path and read the log could find a shorter value. */
const SHORTEST_FIELD = 8;
const MOST_KNOWN_PATHS = 10_000;

/**
 * Fingerprints of values, keyed by path: equal values at two paths have different fingerprints, so that the log does not show which secrets are
 * equal. A value is first digested under the search key. Only the broker has that key, and can therefore find the value at every path.
 */
export class ValueFingerprints {
  readonly #searchKey: SecretKey;
  readonly #pathKey: SecretKey;

  constructor(keys: Pick<LookupKeys, 'keyFor'>) {
    this.#searchKey = keys.keyFor('valueFingerprint');
    this.#pathKey = keys.keyFor('pathFingerprint');
  }

  of(path: string, data: SecretData): Fingerprint {
    const digest = this.#atPath(path, this.#digest(data));
    return {
      fingerprint: PREFIX + digest.toString('base64url', 0, HALF),
      fields: this.#fields(path, data),
      version: `d-${digest.toString('base64url', HALF)}`,
    };
  }

  /**
   * Finds the value at every path. A value of one key is also found in secrets of several keys, whatever the name of the key there.
   */
  trace(data: SecretData): TracedValue {
    const digest = this.#digest(data);
    const [field, ...others] = Object.values(data);
    const single =
      field !== undefined && others.length === 0 ? this.#fieldDigest(field) : undefined;
    const known = new Map<string, { readonly whole: string; readonly fields: readonly string[] }>();
    const at = (path: string) => {
      const made = known.get(path) ?? {
        whole: PREFIX + this.#atPath(path, digest).toString('base64url', 0, HALF),
        fields: single === undefined ? [] : this.#atPositions(path, single),
      };
      if (known.size < MOST_KNOWN_PATHS) known.set(path, made);
      return made;
    };
    return {
      isIn: (path, fingerprint, fields = '') => {
        const own = at(path);
        if (own.whole === fingerprint) return true;
        return fields !== '' && fields.split('.').some((each, index) => each === own.fields[index]);
      },
    };
  }

  #fields(path: string, data: SecretData): string | undefined {
    const keys = Object.keys(data).sort().slice(0, MOST_FIELDS);
    if (keys.length < 2) return undefined;
    const parts = keys.map((key, index) => {
      const digest = this.#fieldDigest(data[key] ?? '');
      return digest === undefined ? '' : this.#atPosition(path, digest, index);
    });
    return parts.every((part) => part === '') ? undefined : parts.join('.');
  }

  /**
   * The digest of one field without the name of its key, which the finder of a leaked value may not know. The hashed text begins differently from
   * that of a whole value.
   */
  #fieldDigest(field: SecretData[string]): Buffer | undefined {
    const length = typeof field === 'string' ? field.length : field.base64.length;
    return length < SHORTEST_FIELD ? undefined : hmac(this.#searchKey, JSON.stringify(field));
  }

  #atPositions(path: string, digest: Uint8Array): readonly string[] {
    return Array.from({ length: MOST_FIELDS }, (_, index) => this.#atPosition(path, digest, index));
  }

  /**
   * The fingerprint of a field depends on its position, so that the log does not show that two keys of a secret have the same value. No path contains
   * a NUL.
   */
  #atPosition(path: string, digest: Uint8Array, index: number): string {
    return this.#atPath(`${index}\0${path}`, digest).toString('base64url', 0, FIELD_BYTES);
  }

  #digest(data: SecretData): Buffer {
    return hmac(this.#searchKey, canonicalData(data));
  }

  /** The digest has a fixed length, so that path and digest stay distinct. */
  #atPath(path: string, digest: Uint8Array): Buffer {
    return hmac(this.#pathKey, digest, path);
  }
}

/** Orders the keys: their order at the backend is not part of a value. */
function canonicalData(data: SecretData): string {
  return JSON.stringify(
    Object.keys(data)
      .sort()
      .map((key) => [key, data[key]]),
  );
}
