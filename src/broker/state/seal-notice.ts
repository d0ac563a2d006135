import { sha256Hex } from '../../crypto/hashes/digest.ts';

/** Operator that sealed the broker, and its reason. */
export interface Seal {
  readonly operator: string;
  readonly reason: string;
}

/**
 * The operator and the reason of a seal, for operators whose tokens this process had accepted before. A sealed broker has no keys to check a token.
 * A token has 256 random bits, so its plain digest reveals nothing about it.
 */
export class SealNotice<Reader> {
  #seal: Seal | undefined;
  #readers: ReadonlyMap<string, Reader> = new Map();

  /** `readers`: operators by the digest of their token. */
  keep(seal: Seal, readers: ReadonlyMap<string, Reader>): void {
    this.#seal = seal;
    this.#readers = readers;
  }

  get seal(): Seal | undefined {
    return this.#seal;
  }

  /** The operator that had this token when the broker was sealed. */
  readerOf(token: string): Reader | undefined {
    return this.#readers.get(digestOf(token));
  }
}

/** The key of a token in memory after the keys are gone. */
export function digestOf(token: string): string {
  return sha256Hex(token);
}
