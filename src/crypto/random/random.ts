import { randomFillSync } from 'node:crypto';

const PROBE_BYTES = 16;
const IV_BYTES = 12;
const ID_BYTES = 16;
const VALUES_A_POOL = 256;
const TIME_BYTES = 6;
/** Crockford's alphabet in lower case: it has no characters that are easily confused. */
const BASE32 = Buffer.from('0123456789abcdefghjkmnpqrstvwxyz');
const ID_CHARACTERS = 26;

/**
 * Random bytes with a continuous test: every draw contains a probe that is not used otherwise. The probe must differ from the previous one, and its
 * halves from each other; otherwise drawing throws, so a generator that repeats a constant stops all cryptography of the process (CVE-2022-35255;
 * FIPS 140-2 section 4.9.2).
 */
export class RandomSource {
  readonly #fill: (target: Uint8Array) => void;
  #lastProbe: Buffer = Buffer.alloc(PROBE_BYTES);
  readonly #ivs = new PublicPool(IV_BYTES, (length) => this.bytes(length));
  readonly #ids = new PublicPool(ID_BYTES, (length) => this.bytes(length));

  constructor(fill: (target: Uint8Array) => void) {
    this.#fill = fill;
  }

  /** @throws Error when the generator fails or repeats itself; it returns no bytes then. */
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

  /** 96 bits for AES-GCM. */
  iv(): Buffer {
    return this.#ivs.next();
  }

  /** 128 bits for an identifier that is not secret. */
  id(): Buffer {
    return this.#ids.next();
  }
}

/** Public values of one length, drawn many at a time, because a draw costs 2 µs. Keys and tokens are always drawn directly. */
class PublicPool {
  readonly #length: number;
  readonly #draw: (length: number) => Buffer;
  #left: Buffer = Buffer.alloc(0);

  constructor(length: number, draw: (length: number) => Buffer) {
    this.#length = length;
    this.#draw = draw;
  }

  /** @throws Error when the generator fails or repeats itself. */
  next(): Buffer {
    if (this.#left.length === 0) this.#left = this.#draw(this.#length * VALUES_A_POOL);
    const value = this.#left.subarray(0, this.#length);
    this.#left = this.#left.subarray(this.#length);
    if (this.#left.length !== 0 && value.equals(this.#left.subarray(0, this.#length))) {
      throw new Error('the random number generator repeats itself');
    }
    return value;
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

/** `<prefix>_` and 128 random bits as 26 characters of `[0-9a-z]`; it shows neither when nor in which order ids were made. */
export function randomId(prefix: string): string {
  return idOf(prefix, system.id());
}

/**
 * An id of the same shape that begins with the time, 48 bits of milliseconds as in a UUIDv7 (RFC 9562 section 5.7), followed by 80 random bits. Ids
 * made together are neighbours in an index, while random ids write all over it (measured: a third of a login's part of a commit).
 */
export function orderedId(prefix: string, at: number): string {
  const bytes = system.id();
  bytes.writeUIntBE(at, 0, TIME_BYTES);
  return idOf(prefix, bytes);
}

/**
 * Formats an id, which sorts as its bytes do. It is written as bytes: text that is concatenated a character at a time stays a chain of its pieces for
 * as long as it is kept (measured: 25 MB for 100,000 leases).
 */
function idOf(prefix: string, bytes: Uint8Array): string {
  const text = Buffer.allocUnsafe(prefix.length + 1 + ID_CHARACTERS);
  let at = text.write(`${prefix}_`, 'latin1');
  let held = 0;
  let bits = 0;
  for (const byte of bytes) {
    held = (held << 8) | byte;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text[at++] = BASE32[(held >>> bits) & 31] ?? 0;
    }
    held &= (1 << bits) - 1;
  }
  text[at] = BASE32[(held << (5 - bits)) & 31] ?? 0;
  return text.toString('latin1');
}

const TWO_TO_32 = 2 ** 32;

/** A number in [0, 1), for jitter. @throws Error as `randomBytes`. */
export function randomFraction(): number {
  return system.bytes(4).readUInt32BE() / TWO_TO_32;
}
