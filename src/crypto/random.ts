import { randomFillSync } from 'node:crypto';

const PROBE_BYTES = 16;
const IV_BYTES = 12;
const IVS_A_POOL = 256;
/** Crockford's alphabet in lower case: no two characters are mistaken for each other. */
const BASE32 = '0123456789abcdefghjkmnpqrstvwxyz';

/**
 * Random bytes with a continuous test: every draw carries a probe that is never used elsewhere and must differ from the
 * one before and from itself by halves, so a generator stuck at a constant stops the process's cryptography
 * (CVE-2022-35255; FIPS 140-2 section 4.9.2).
 */
export class RandomSource {
  readonly #fill: (target: Uint8Array) => void;
  #lastProbe: Buffer = Buffer.alloc(PROBE_BYTES);
  #pool: Buffer = Buffer.alloc(0);

  constructor(fill: (target: Uint8Array) => void) {
    this.#fill = fill;
  }

  /** @throws Error when the generator fails or repeats itself; no bytes are given out. */
  bytes(length: number): Buffer {
    const drawn = Buffer.alloc(length + PROBE_BYTES);
    this.#fill(drawn);
    const probe = Buffer.from(drawn.subarray(length));
    const half = PROBE_BYTES / 2;
    if (probe.equals(this.#lastProbe) || probe.subarray(0, half).equals(probe.subarray(half))) {
      drawn.fill(0);
      throw new Error('the random number generator repeats itself');
    }
    this.#lastProbe = probe;
    return drawn.subarray(0, length);
  }

  /** 96 bits for AES-GCM. Pooled, since initialization vectors are public; keys and tokens are always drawn directly. */
  iv(): Buffer {
    if (this.#pool.length === 0) this.#pool = this.bytes(IV_BYTES * IVS_A_POOL);
    const iv = this.#pool.subarray(0, IV_BYTES);
    this.#pool = this.#pool.subarray(IV_BYTES);
    if (this.#pool.length !== 0 && iv.equals(this.#pool.subarray(0, IV_BYTES))) {
      throw new Error('the random number generator repeats itself');
    }
    return iv;
  }
}

const system = new RandomSource((target) => randomFillSync(target));

/** @throws Error when the operating system's generator fails or repeats itself. */
export function randomBytes(length: number): Buffer {
  return system.bytes(length);
}

/** 12 random bytes for one AES-GCM encryption. @throws Error as `randomBytes`. */
export function randomIv(): Buffer {
  return system.iv();
}

/** `<prefix>_` and 128 random bits as 26 characters of `[0-9a-z]`; says nothing about when or in which order it was made. */
export function randomId(prefix: string): string {
  const bytes = system.bytes(16);
  let text = `${prefix}_`;
  let held = 0;
  let bits = 0;
  for (const byte of bytes) {
    held = (held << 8) | byte;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += BASE32.charAt((held >>> bits) & 31);
    }
    held &= (1 << bits) - 1;
  }
  return text + BASE32.charAt((held << (5 - bits)) & 31);
}

const TWO_TO_32 = 2 ** 32;

/** A number in [0, 1), for jitter. @throws Error as `randomBytes`. */
export function randomFraction(): number {
  return system.bytes(4).readUInt32BE() / TWO_TO_32;
}
