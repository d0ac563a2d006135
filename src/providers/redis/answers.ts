import { BrokerError } from '../../domain/errors.ts';

/**
 * Answer of a Redis server: text, an integer, a list of answers, null, or a refusal of the server.
 */
export type RedisAnswer = string | number | null | RedisErrorAnswer | readonly RedisAnswer[];

/** An answer that begins with `-`. Its text is the server's and is kept nowhere. */
export class RedisErrorAnswer extends Error {
  constructor(text: string) {
    super(text);
    this.name = 'RedisErrorAnswer';
  }
}

/**
 * Bounds of one connection's answers. The broker asks for one user's ACL, so its longest legitimate answer is a list of that user's password hashes.
 * All bytes together are bounded by the socket (1 MiB), hence also a text.
 */
const REDIS_BOUNDS = {
  /** Characters of a length or an integer: 64 bits with a sign (RESP, "Integers"). */
  numberChars: 20,
  /** Bytes of one line of text; a server's error lines have less than 1 KiB. */
  lineBytes: 65_536,
  /** Elements of all lists together. */
  elements: 65_536,
  /** Lists within lists; `ACL GETUSER` has three. */
  depth: 8,
} as const;

const CR = 13;
const LF = 10;
const [STATUS, REFUSAL, INTEGER, BULK, LIST] = Buffer.from('+-:$*');

interface OpenList {
  readonly items: RedisAnswer[];
  missing: number;
}

/**
 * Reads RESP 2, the protocol that a connection speaks unless it asks for another one. Each byte is looked at once. The bounds are checked before
 * anything is allocated or converted: the general decoder takes 4.5 s for a number of 300,000 digits, and allocates a list as long as the server says.
 */
export class RedisAnswers {
  readonly #onAnswer: (answer: RedisAnswer) => void;
  readonly #lists: OpenList[] = [];
  #parts: Buffer[] = [];
  #held = 0;
  /** Bytes of the text that is awaited, with its line break; undefined while a line is awaited. */
  #text: number | undefined;
  #elements = 0;

  constructor(onAnswer: (answer: RedisAnswer) => void) {
    this.#onAnswer = onAnswer;
  }

  /** @throws ERR_PROVIDER_MALFORMED, reason `protocol`. */
  take(chunk: Buffer): void {
    let rest = chunk;
    while (rest.length > 0) rest = this.#text === undefined ? this.#line(rest) : this.#body(rest);
  }

  /** Reads up to the end of a line. @returns the bytes behind it. */
  #line(bytes: Buffer): Buffer {
    const end = bytes.indexOf(LF);
    const until = end === -1 ? bytes.length : end + 1;
    const first = this.#parts[0]?.[0] ?? bytes[0];
    const isText = first === STATUS || first === REFUSAL;
    // The mark and the line break are three characters more.
    const most = 3 + (isText ? REDIS_BOUNDS.lineBytes : REDIS_BOUNDS.numberChars);
    if (this.#held + until > most) throw malformed();
    this.#keep(bytes.subarray(0, until));
    if (end !== -1) this.#finishLine(this.#takeParts());
    return bytes.subarray(until);
  }

  #finishLine(line: Buffer): void {
    if (line.length < 3 || line[line.length - 2] !== CR) throw malformed();
    const mark = line[0];
    if (mark === STATUS || mark === REFUSAL) {
      const text = line.toString('utf8', 1, line.length - 2);
      this.#add(mark === STATUS ? text : new RedisErrorAnswer(text));
      return;
    }
    const digits = line.toString('latin1', 1, line.length - 2);
    if (!/^[+-]?\d{1,19}$/.test(digits)) throw malformed();
    this.#number(mark, Number(digits));
  }

  #number(mark: number | undefined, number: number): void {
    if (mark === INTEGER) this.#add(number);
    else if (mark !== BULK && mark !== LIST) throw malformed();
    else if (number === -1) this.#add(null);
    else if (number < 0) throw malformed();
    else if (mark === BULK) this.#text = number + 2;
    else this.#open(number);
  }

  #body(bytes: Buffer): Buffer {
    const wanted = (this.#text ?? 0) - this.#held;
    this.#keep(bytes.subarray(0, wanted));
    if (bytes.length < wanted) return bytes.subarray(bytes.length);
    const body = this.#takeParts();
    this.#text = undefined;
    if (body[body.length - 2] !== CR || body[body.length - 1] !== LF) throw malformed();
    this.#add(body.toString('utf8', 0, body.length - 2));
    return bytes.subarray(wanted);
  }

  #open(length: number): void {
    this.#elements += length;
    const isTooMuch = this.#elements > REDIS_BOUNDS.elements;
    if (isTooMuch || this.#lists.length === REDIS_BOUNDS.depth) throw malformed();
    if (length === 0) this.#add([]);
    else this.#lists.push({ items: [], missing: length });
  }

  /** Adds an answer to the innermost open list, and closes the lists that it completes. */
  #add(answer: RedisAnswer): void {
    let complete = answer;
    for (;;) {
      const list = this.#lists.at(-1);
      if (list === undefined) {
        this.#onAnswer(complete);
        return;
      }
      list.items.push(complete);
      list.missing -= 1;
      if (list.missing > 0) return;
      this.#lists.pop();
      complete = list.items;
    }
  }

  #keep(part: Buffer): void {
    this.#parts.push(part);
    this.#held += part.length;
  }

  #takeParts(): Buffer {
    const [only, ...more] = this.#parts;
    const whole = only !== undefined && more.length === 0 ? only : Buffer.concat(this.#parts);
    this.#parts = [];
    this.#held = 0;
    return whole;
  }
}

function malformed(): BrokerError {
  return new BrokerError('ERR_PROVIDER_MALFORMED', undefined, { reason: 'protocol' });
}
