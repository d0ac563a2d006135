import type { IncomingMessage } from 'node:http';
import { BrokerError } from '../../../domain/errors.ts';
import { transportError } from '../../../net/https/transport-error.ts';
import { parseJson } from '../../../net/https/parse-json.ts';

/** Above the largest object etcd takes (1.5 MiB) in its longest JSON form. */
const LONGEST_LINE = 4 * 1024 * 1024;
const NEWLINE = 10;

/**
 * One parsed value a line. A last line without its end is dropped: the reader resumes before it.
 * @throws ERR_PROVIDER_MALFORMED for a line that is not JSON or is too long; ERR_PROVIDER_TIMEOUT, ERR_PROVIDER_UNAVAILABLE.
 */
export async function* jsonLines(
  response: IncomingMessage,
  signal: AbortSignal,
): AsyncGenerator<unknown, void, undefined> {
  const lines = new LineBuffer();
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      for (const line of lines.take(chunk)) yield parseJson(line);
    }
  } catch (error) {
    throw transportError(error, signal);
  }
}

class LineBuffer {
  #pieces: Buffer[] = [];
  #held = 0;

  *take(chunk: Buffer): Generator<Buffer, void, undefined> {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      const line = Buffer.concat([...this.#pieces, chunk.subarray(start, end)]);
      this.#pieces = [];
      this.#held = 0;
      start = end + 1;
      if (line.length > 0) yield line;
    }
    this.#hold(chunk.subarray(start));
  }

  #hold(rest: Buffer): void {
    if (rest.length === 0) return;
    this.#pieces.push(rest);
    this.#held += rest.length;
    if (this.#held <= LONGEST_LINE) return;
    throw new BrokerError('ERR_PROVIDER_MALFORMED', undefined, { reason: 'line_too_long' });
  }
}
