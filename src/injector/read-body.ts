import type { IncomingMessage } from 'node:http';

/** Twice what an API server takes for an object, because a review may hold two. */
const MOST_BYTES = 3 * 1024 * 1024;

/** The whole body; undefined where it is longer than 3 MiB, and then the rest is not read. */
export async function readBody(request: IncomingMessage): Promise<Buffer | undefined> {
  if (Number(request.headers['content-length'] ?? 0) > MOST_BYTES) return undefined;
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > MOST_BYTES) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
