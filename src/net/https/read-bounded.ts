import type { IncomingMessage } from 'node:http';
import { BrokerError } from '../../domain/errors.ts';
import { transportError } from './open-https.ts';

/**
 * The whole body, cut off at `maxBytes` whatever Content-Length says.
 * @throws ERR_PROVIDER_MALFORMED when it is longer, shorter than announced or compressed; ERR_PROVIDER_TIMEOUT, ERR_PROVIDER_UNAVAILABLE.
 */
export async function readBounded(
  response: IncomingMessage,
  maxBytes: number,
  signal: AbortSignal,
): Promise<Buffer> {
  const encoding = response.headers['content-encoding'];
  const announced = Number(response.headers['content-length'] ?? 0);
  if ((encoding !== undefined && encoding !== 'identity') || announced > maxBytes) {
    response.destroy();
    throw malformed(encoding === undefined ? 'body_too_large' : 'content_encoding');
  }
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > maxBytes) throw malformed('body_too_large');
      chunks.push(chunk);
    }
  } catch (error) {
    throw transportError(error, signal);
  }
  return Buffer.concat(chunks, length);
}

function malformed(reason: string): BrokerError {
  return new BrokerError('ERR_PROVIDER_MALFORMED', undefined, { reason });
}
