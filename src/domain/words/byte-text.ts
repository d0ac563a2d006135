const ASCII = /^[\0-\x7f]*$/;

/**
 * Bytes as a text with one character for each. Joining such texts copies nothing, and Node sends one in one piece with the head of the response
 * (measured: a response with ten values takes 19 instead of 29 µs, with its request). It may contain secret values, so it prints as an empty object.
 */
export class ByteText {
  readonly #latin1: string;

  constructor(latin1: string) {
    this.#latin1 = latin1;
  }

  /** The UTF-8 bytes of a text. */
  static of(text: string): ByteText {
    return new ByteText(ASCII.test(text) ? text : Buffer.from(text).toString('latin1'));
  }

  get latin1(): string {
    return this.#latin1;
  }

  get length(): number {
    return this.#latin1.length;
  }

  bytes(): Buffer {
    return Buffer.from(this.#latin1, 'latin1');
  }
}
