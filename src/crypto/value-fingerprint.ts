import type { SecretData } from '../domain/secret.ts';
import { hmac } from './digest.ts';
import type { RootKey } from './root-keys.ts';
import type { SecretKey } from './secret-key.ts';

/** What entries say of a value, and its name where the backend has no versions. docs/spec/audit-log-v1.md, "Fingerprints". */
export interface Fingerprint {
  readonly fingerprint: string;
  /** `d-…`: changes exactly when the value does. */
  readonly version: string;
}

/** A value that is looked for. */
export interface TracedValue {
  /** Whether an entry with this path and fingerprint is about the value. */
  isIn(path: string, fingerprint: string): boolean;
}

const HALF = 16;
const PREFIX = 'v2.';
const MOST_KNOWN_PATHS = 10_000;

/**
 * Fingerprints of values, keyed by path: equal values at two paths have nothing in common, so that the log tells nobody which secrets are
 * equal. A value is first digested under the search key; who has that key, the broker alone, finds the value at every path.
 */
export class ValueFingerprints {
  readonly #searchKey: SecretKey;
  readonly #pathKey: SecretKey;

  constructor(root: RootKey) {
    this.#searchKey = root.keyFor('valueFingerprint');
    this.#pathKey = root.keyFor('pathFingerprint');
  }

  of(path: string, data: SecretData): Fingerprint {
    const digest = this.#atPath(path, this.#digest(data));
    return {
      fingerprint: PREFIX + digest.toString('base64url', 0, HALF),
      version: `d-${digest.toString('base64url', HALF)}`,
    };
  }

  /** Also finds entries of older releases, whose fingerprint was that of the search key, the same at every path. */
  trace(data: SecretData): TracedValue {
    const digest = this.#digest(data);
    const old = digest.toString('base64url', 0, HALF);
    const known = new Map<string, string>();
    return {
      isIn: (path, fingerprint) => {
        if (!fingerprint.startsWith(PREFIX)) return fingerprint === old;
        let own = known.get(path);
        if (own === undefined) {
          own = PREFIX + this.#atPath(path, digest).toString('base64url', 0, HALF);
          if (known.size < MOST_KNOWN_PATHS) known.set(path, own);
        }
        return own === fingerprint;
      },
    };
  }

  #digest(data: SecretData): Buffer {
    return hmac(this.#searchKey, canonicalData(data));
  }

  /** The digest has a fixed length, so that path and digest are told apart. */
  #atPath(path: string, digest: Uint8Array): Buffer {
    return hmac(this.#pathKey, digest, path);
  }
}

/** Key order at the backend is not part of a value. */
function canonicalData(data: SecretData): string {
  return JSON.stringify(
    Object.keys(data)
      .sort()
      .map((key) => [key, data[key]]),
  );
}
