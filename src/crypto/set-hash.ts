import { createHash } from 'node:crypto';

const WORDS = 1024;
const WORD_BYTES = 2;
/** Of the state of a set, and of the expansion of each element. */
const SET_HASH_BYTES = WORDS * WORD_BYTES;

const IS_LITTLE_ENDIAN = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

/** Bytes as words, always little-endian; `bytes` are the caller's no more. */
function toWords(bytes: Buffer): Uint16Array {
  if (!IS_LITTLE_ENDIAN) bytes.swap16();
  return new Uint16Array(bytes.buffer, bytes.byteOffset, WORDS);
}

/**
 * A hash of a set of elements (LtHash with 1,024 words of 16 bits; docs/spec/state-digest-v1.md): an element is added or removed without
 * looking at the others. A sum or XOR of short hashes would not do: from enough of them, others with the same sum can be computed.
 */
export class SetHash {
  readonly #words: Uint16Array;

  private constructor(words: Uint16Array) {
    this.#words = words;
  }

  static empty(): SetHash {
    return new SetHash(new Uint16Array(WORDS));
  }

  /** @throws RangeError for a state of another length. */
  static from(state: Uint8Array): SetHash {
    if (state.length !== SET_HASH_BYTES) throw new RangeError('a set hash has 2048 bytes');
    const copy = Buffer.from(new ArrayBuffer(SET_HASH_BYTES));
    copy.set(state);
    return new SetHash(toWords(copy));
  }

  /** `seed`: the keyed hash of the element. */
  add(seed: Uint8Array): void {
    const element = expand(seed);
    for (let i = 0; i < WORDS; i += 1) this.#words[i] = (this.#words[i] ?? 0) + (element[i] ?? 0);
  }

  remove(seed: Uint8Array): void {
    const element = expand(seed);
    for (let i = 0; i < WORDS; i += 1) this.#words[i] = (this.#words[i] ?? 0) - (element[i] ?? 0);
  }

  state(): Buffer {
    const copy = Buffer.from(this.#words.slice().buffer);
    return IS_LITTLE_ENDIAN ? copy : copy.swap16();
  }
}

function expand(seed: Uint8Array): Uint16Array {
  const bytes = Buffer.from(new ArrayBuffer(SET_HASH_BYTES));
  createHash('shake256', { outputLength: SET_HASH_BYTES }).update(seed).digest().copy(bytes);
  return toWords(bytes);
}
