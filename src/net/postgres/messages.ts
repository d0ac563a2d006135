import { BrokerError } from '../../domain/errors.ts';

/** Bounds of what one session receives. */
export interface PostgresBounds {
  /** Bytes of one message. */
  readonly messageBytes: number;
  /** Messages of a session, each of which the driver reports by an event. */
  readonly messages: number;
  /** True if the session listens to channels. */
  readonly listens: boolean;
}

/** Columns of a row: as many as a server can send (PostgreSQL, appendix K: MaxTupleAttributeNumber). */
const MOST_COLUMNS = 1_664;
const HEAD = 5;

/** Fixed lengths of the parts of a column's description behind its name. */
const COLUMN_TAIL = 18;

/**
 * Lets only complete and well-formed messages of the server through. The driver does not compare what it reads with the length of a message: an error of
 * six bytes without its final zero keeps it in a loop for ever, and a field that says it is long reads the messages behind its own.
 */
export class PostgresMessages {
  readonly #bounds: PostgresBounds;
  #parts: Buffer[] = [];
  #held = 0;
  #wanted = HEAD;
  #count = 0;

  constructor(bounds: PostgresBounds) {
    this.#bounds = bounds;
  }

  /** @returns the checked messages that the chunk completes. @throws ERR_PROVIDER_MALFORMED, reasons `too_large` and `protocol`. */
  take(chunk: Buffer): Buffer | undefined {
    this.#parts.push(chunk);
    this.#held += chunk.length;
    // Parts are joined only if they complete something, so that a server that sends single bytes does not have each of them copied again and again.
    if (this.#held < this.#wanted) return undefined;
    const bytes = this.#parts.length === 1 ? chunk : Buffer.concat(this.#parts);
    let at = 0;
    this.#wanted = HEAD;
    while (bytes.length - at >= HEAD) {
      const size = 1 + bytes.readUInt32BE(at + 1);
      if (size > this.#bounds.messageBytes) throw malformed('too_large');
      if (size < HEAD) throw malformed('protocol');
      if (bytes.length - at < size) {
        this.#wanted = size;
        break;
      }
      this.#check(String.fromCharCode(bytes[at] ?? 0), bytes.subarray(at + HEAD, at + size));
      at += size;
    }
    this.#held = bytes.length - at;
    this.#parts = this.#held === 0 ? [] : [bytes.subarray(at)];
    return at === 0 ? undefined : bytes.subarray(0, at);
  }

  #check(kind: string, body: Buffer): void {
    this.#count += 1;
    if (this.#count > this.#bounds.messages) throw malformed('too_large');
    const isKnown = kind !== NOTIFICATION || this.#bounds.listens;
    if (!isKnown || CHECKS.get(kind)?.(body) !== true) throw malformed('protocol');
  }
}

type Check = (body: Buffer) => boolean;

const isEmpty: Check = (body) => body.length === 0;
const isText =
  (count: number): Check =>
  (body) => {
    let at = 0;
    for (let text = 0; text < count; text += 1) {
      const end = body.indexOf(0, at);
      if (end === -1) return false;
      at = end + 1;
    }
    return at === body.length;
  };

/** Fields of an error or a notice: a letter and a text each, then a zero (PostgreSQL, 54.7 and 54.8). */
const isReport: Check = (body) => {
  let at = 0;
  while (at < body.length && body[at] !== 0) {
    const end = body.indexOf(0, at + 1);
    if (end === -1) return false;
    at = end + 1;
  }
  return at === body.length - 1;
};

const isAuthentication: Check = (body) => {
  if (body.length < 4) return false;
  switch (body.readInt32BE(0)) {
    case 0:
    case 3:
      return body.length === 4;
    case 5:
      return body.length === 8;
    case 10:
      return body.length > 5 && body[body.length - 1] === 0 && body[body.length - 2] === 0;
    case 11:
    case 12:
      return body.length <= 4_096;
    default:
      return false;
  }
};

const isDescription: Check = (body) => {
  const columns = columnsOf(body);
  let at = 2;
  for (let column = 0; column < columns; column += 1) {
    const end = body.indexOf(0, at);
    if (end === -1) return false;
    at = end + 1 + COLUMN_TAIL;
  }
  return at === body.length;
};

const isRow: Check = (body) => {
  const columns = columnsOf(body);
  let at = 2;
  for (let column = 0; column < columns; column += 1) {
    if (at + 4 > body.length) return false;
    const length = body.readInt32BE(at);
    if (length < -1) return false;
    at += 4 + Math.max(length, 0);
  }
  return at === body.length;
};

/** @returns a count that no body can hold if the count is missing or too large. */
function columnsOf(body: Buffer): number {
  if (body.length < 2) return Infinity;
  const columns = body.readUInt16BE(0);
  return columns > MOST_COLUMNS ? Infinity : columns;
}

const NOTIFICATION = 'A';

/** The messages that a session of the broker can get. It copies nothing and replicates nothing. */
const CHECKS: ReadonlyMap<string, Check> = new Map([
  ['R', isAuthentication],
  ['E', isReport],
  ['N', isReport],
  ['S', isText(2)],
  ['C', isText(1)],
  ['K', (body) => body.length >= 8 && body.length <= 260],
  ['Z', (body) => body.length === 1],
  ['T', isDescription],
  ['t', (body) => body.length === 2 + 4 * columnsOf(body)],
  ['D', isRow],
  ['1', isEmpty],
  ['2', isEmpty],
  ['3', isEmpty],
  ['n', isEmpty],
  ['s', isEmpty],
  ['I', isEmpty],
  [NOTIFICATION, (body) => body.length >= 4 && isText(2)(body.subarray(4))],
]);

function malformed(reason: string): BrokerError {
  return new BrokerError('ERR_PROVIDER_MALFORMED', undefined, { reason });
}
