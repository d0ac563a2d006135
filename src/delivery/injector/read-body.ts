import type { IncomingMessage } from 'node:http';

/** Twice what an API server takes for an object, because a review may hold two. */
const MOST_BYTES = 3 * 1024 * 1024;

/** Why a body is not read to its end. */
export type Unread = 'too_long' | 'no_room';

/**
 * The whole body, or why it is not read on: it is longer than 3 MiB, or `take` has no room for its next bytes. `take` is asked before bytes are kept.
 */
export async function readBody(
  request: IncomingMessage,
  take: (bytes: number) => boolean,
): Promise<Buffer | Unread> {
  if (Number(request.headers['content-length'] ?? 0) > MOST_BYTES) return 'too_long';
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > MOST_BYTES) return 'too_long';
    if (!take(chunk.length)) return 'no_room';
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
