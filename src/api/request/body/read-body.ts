import type { IncomingMessage } from 'node:http';
import { BrokerError } from '../../../domain/errors.ts';
import { freeBytes } from '../../../domain/words/free-bytes.ts';
import type { RequestShare } from '../memory-shares.ts';
import {
  decodeBody,
  parseJson,
  parseYaml,
  type ParsedBody,
} from '../../../domain/text/parse-body.ts';

/** The bodies that an operation accepts. */
export interface BodyRules {
  readonly maxBytes: number;
  /** Documents may also be YAML. */
  readonly yaml?: boolean;
  /** An empty body is read as `null`. */
  readonly mayBeEmpty?: boolean;
  /** A thread parses the bytes, which the broker can transfer to it. */
  readonly isForThread?: boolean;
  /** Runs before the bytes are parsed, for example to verify their signature. */
  readonly verify?: ((bytes: Uint8Array) => Promise<void>) | undefined;
}

const JSON_TYPE = /^application\/json(?: *; *charset="?utf-8"?)?$/i;
const YAML_TYPE = /^application\/yaml(?: *; *charset="?utf-8"?)?$/i;
const EMPTY: ParsedBody = { value: null, locate: () => undefined };

/**
 * Reads a whole body within its limits and the memory share of its sender, and parses it strictly, unless a thread does.
 * @throws ERR_MEDIA_TYPE, ERR_BODY_TOO_LARGE, ERR_BODY_INVALID, ERR_RATE_LIMITED, ERR_REQUEST_INVALID if the upload breaks off.
 */
export async function readBody(
  request: IncomingMessage,
  rules: BodyRules,
  share: RequestShare,
): Promise<ParsedBody> {
  const parse = parserFor(request, rules);
  const announced = Number(request.headers['content-length'] ?? 0);
  if (announced > rules.maxBytes) throw tooLarge(rules, String(announced));
  share.receive(announced);
  const bytes = await collect(request, rules, share);
  if (rules.verify !== undefined) await rules.verify(bytes);
  if (rules.isForThread === true) return { ...EMPTY, bytes };
  return bytes.length === 0 && rules.mayBeEmpty === true ? EMPTY : parse(decodeBody(bytes));
}

/**
 * Passes a body of JSON on in pieces, so that it takes no memory of its own. While the reader works on one, the sender waits. The reader gets the beginning of a
 * body that is too large.
 * @throws ERR_MEDIA_TYPE, ERR_BODY_TOO_LARGE, ERR_REQUEST_INVALID if the upload breaks off.
 */
export async function* streamBody(
  request: IncomingMessage,
  maxBytes: number,
): AsyncGenerator<Buffer> {
  parserFor(request, { maxBytes });
  let length = 0;
  try {
    for await (const chunk of request.iterator({ destroyOnReturn: false })) {
      const bytes = chunk as Buffer;
      length += bytes.length;
      if (length > maxBytes) break;
      yield bytes;
    }
  } catch {
    throw new BrokerError('ERR_REQUEST_INVALID', undefined, { reason: 'aborted_upload' });
  }
  if (length > maxBytes) throw tooLarge({ maxBytes });
}

/** The bytes of a body for a thread. */
export function bytesOf(body: ParsedBody | undefined): Uint8Array<ArrayBuffer> {
  return body?.bytes ?? new Uint8Array();
}

/** Reports whether the headers of a request announce a body. */
export function hasBody(request: IncomingMessage): boolean {
  const { 'content-length': length, 'transfer-encoding': coding } = request.headers;
  return coding !== undefined || (length !== undefined && length !== '0');
}

function parserFor(
  request: IncomingMessage,
  rules: BodyRules,
): (text: string) => ParsedBody | Promise<ParsedBody> {
  const type = request.headers['content-type'] ?? '';
  if (request.headers['content-encoding'] !== undefined) throw new BrokerError('ERR_MEDIA_TYPE');
  if (JSON_TYPE.test(type)) return parseJson;
  if (rules.yaml === true && YAML_TYPE.test(type)) return parseYaml;
  throw new BrokerError('ERR_MEDIA_TYPE');
}

async function collect(
  request: IncomingMessage,
  rules: BodyRules,
  share: RequestShare,
): Promise<Buffer<ArrayBuffer>> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer<ArrayBuffer>>();
  const chunks: Buffer[] = [];
  let length = 0;
  request.on('data', (chunk: Buffer) => {
    length += chunk.length;
    try {
      if (length > rules.maxBytes) throw tooLarge(rules);
      if (length > share.received) share.receive(length - share.received);
      chunks.push(chunk);
    } catch (error) {
      reject(error);
    }
  });
  request.once('end', () =>
    resolve(rules.isForThread === true ? ownBytes(chunks, length) : Buffer.concat(chunks)),
  );
  // Every request emits `close`; an error with its stack is made only for requests that broke off.
  const broken = (): void => {
    if (request.complete) return;
    reject(new BrokerError('ERR_REQUEST_INVALID', undefined, { reason: 'aborted_upload' }));
  };
  request.once('error', broken);
  request.once('close', broken);
  try {
    return await promise;
  } finally {
    request.removeAllListeners('data');
    // Every request emits `close`: making the error for a complete one would cost more than reading its body (its stack trace takes 7 µs).
    request.off('close', broken);
  }
}

/**
 * Joins the chunks in memory that they share with nothing: a transfer takes it away from this thread. Frees the chunks at once: with a megabyte of them for
 * each body, V8 collected all garbage every second (measured).
 */
function ownBytes(chunks: readonly Buffer[], length: number): Buffer<ArrayBuffer> {
  const whole = Buffer.from(new ArrayBuffer(length));
  let at = 0;
  for (const chunk of chunks) {
    at += chunk.copy(whole, at);
    freeBytes(chunk);
  }
  return whole;
}

/** @param size what is known about the size */
function tooLarge({ maxBytes }: BodyRules, size = `more than ${maxBytes}`): BrokerError {
  const detail = `the body has ${size} bytes; the limit of this operation is ${maxBytes}`;
  return new BrokerError('ERR_BODY_TOO_LARGE', detail);
}
