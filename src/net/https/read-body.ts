import type { IncomingMessage } from 'node:http';
import { UnusableAnswer } from './unusable-answer.ts';

/**
 * The whole body, at most `maxBytes` of it whatever Content-Length announces. The signal of the request bounds its time.
 * @throws UnusableResponse for a longer or a compressed body; Node's own error for one that ends before its announced length.
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
  for await (const chunk of response as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > maxBytes) throw refused(response, 'body_too_large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, length);
}

function refused(response: IncomingMessage, reason: UnusableAnswer['reason']): UnusableAnswer {
  response.destroy();
  return new UnusableAnswer(reason);
}
