import type { Writable } from 'node:stream';
import { deliveryLines, SinkError, type Delivery, type Sink } from './sink.ts';

/**
 * Writes the head of each delivery and one entry a line to a stream, usually standard output, for the log collector of a container. Waits
 * while the reader is slow.
 */
export class StreamSink implements Sink {
  readonly name: string;
  readonly unconfirmed = 0;
  readonly #stream: Writable;

  constructor(name: string, stream: Writable) {
    this.name = name;
    this.#stream = stream;
    // An error event without a listener ends the process. Each write reports its own failure.
    if (!stream.listeners('error').includes(ignored)) stream.on('error', ignored);
  }

  deliver(delivery: Delivery): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<undefined>();
    this.#stream.write(deliveryLines(delivery), (error) =>
      error ? reject(unwritten(error)) : resolve(undefined),
    );
    return promise;
  }

  reopen(): Promise<void> {
    return Promise.resolve();
  }

  /** The sink does not own the stream, so it does not end it. */
  close(): Promise<void> {
    return Promise.resolve();
  }
}

function ignored(): void {
  return undefined;
}

/** A stream that failed once stays closed: only a restart of the process opens standard output again. */
function unwritten({ code = 'unknown' }: NodeJS.ErrnoException): SinkError {
  return new SinkError(`cannot write to standard output: ${code}; restart the broker to open it`);
}
