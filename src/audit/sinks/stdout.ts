import { once } from 'node:events';
import type { Writable } from 'node:stream';
import type { Sink } from '../sink.ts';

/** One entry a line on a stream, usually standard output, for whoever collects a container's output. Waits while the reader is slow. */
export class StreamSink implements Sink {
  readonly name: string;
  readonly #stream: Writable;

  constructor(name: string, stream: Writable) {
    this.name = name;
    this.#stream = stream;
  }

  async deliver(entries: readonly string[]): Promise<void> {
    const text = entries.map((entry) => `${entry}\n`).join('');
    if (!this.#stream.write(text)) await once(this.#stream, 'drain');
  }

  reopen(): Promise<void> {
    return Promise.resolve();
  }

  /** The stream is not ours to end. */
  close(): Promise<void> {
    return Promise.resolve();
  }
}
