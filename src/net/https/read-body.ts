import type { IncomingMessage } from 'node:http';
import { UnusableAnswer } from './unusable-answer.ts';

/** Bytes that the framing of a body may take beyond a quarter of the body; the socket is read ahead of the body by up to two of its buffers. */
const MOST_FRAMING_BYTES = 262_144;

/**
 * The whole body, at most `maxBytes` of it whatever Content-Length announces. The signal of the request bounds its time.
 * @throws UnusableResponse for a longer or a compressed body, or one in tiny chunks; Node's own error for one that ends before its announced length.
 */
export async function readBody(response: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const encoding = response.headers['content-encoding'];
  if (encoding !== undefined && encoding !== 'identity')
    throw refused(response, 'content_encoding');
  if (Number(response.headers['content-length'] ?? 0) > maxBytes) {
    throw refused(response, 'body_too_large');
  }
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of bodyChunks(response)) {
    length += chunk.length;
    if (length > maxBytes) throw refused(response, 'body_too_large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, length);
}

/** The parts of a body of any length. @throws UnusableResponse for a body in tiny chunks, each of which costs as much as a large one. */
export async function* bodyChunks(response: IncomingMessage): AsyncGenerator<Buffer> {
  const { socket } = response;
  const before = socket.bytesRead;
  let length = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (socket.bytesRead - before - length > MOST_FRAMING_BYTES + length / 4)
      throw refused(response, 'too_fragmented');
    yield chunk;
  }
}

function refused(response: IncomingMessage, reason: UnusableAnswer['reason']): UnusableAnswer {
  response.destroy();
  return new UnusableAnswer(reason);
}
