/** An answer longer than was agreed; its bytes are dropped. */
class AnswerTooLong extends Error {
  override readonly name = 'AnswerTooLong';
}

/** The SDK's `streamCollector`, with a bound: the SDK's own reads whatever comes. */
export function collectBounded(maxBytes: number): (stream: unknown) => Promise<Uint8Array> {
  return async (stream) => {
    const chunks: Uint8Array[] = [];
    let length = 0;
    // Leaving the loop destroys the stream, and with it the socket.
    for await (const chunk of stream as AsyncIterable<Uint8Array>) {
      length += chunk.length;
      if (length > maxBytes) throw new AnswerTooLong();
      chunks.push(chunk);
    }
    return Buffer.concat(chunks, length);
  };
}
