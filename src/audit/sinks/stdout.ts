import { once } from 'node:events';
import type { Writable } from 'node:stream';
import { deliveryLines, type Delivery, type Sink } from '../sink.ts';

/** The head of each delivery and one entry a line on a stream, usually standard output, for the collector of a container's output. Waits while the reader is slow. */
export class StreamSink implements Sink {
  readonly name: string;
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

  /** The stream is not ours to end. */
  close(): Promise<void> {
    return Promise.resolve();
  }
}
