import { once } from 'node:events';
import type { Writable } from 'node:stream';
import { deliveryLines, type Delivery, type Sink } from '../sink.ts';

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
  }

  async deliver(delivery: Delivery): Promise<void> {
    if (!this.#stream.write(deliveryLines(delivery))) await once(this.#stream, 'drain');
  }

  reopen(): Promise<void> {
    return Promise.resolve();
  }

  /** The sink does not own the stream, so it does not end it. */
  close(): Promise<void> {
    return Promise.resolve();
  }
}
