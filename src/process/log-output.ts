import type { Writable } from 'node:stream';

/** Characters of lines that wait for the reader. */
const MOST_WAITING = 1_048_576;

/**
 * Writes lines without waiting for their reader. If a container runtime no longer reads the pipe, the process must still answer requests, keep its memory
 * bounded and be able to end. Lines beyond the bound are dropped and counted.
 */
export class LogOutput {
  readonly #stream: Writable;
  readonly #report: (dropped: number) => void;
  #waiting = 0;
  #dropped = 0;

  /** @param report called with the count of dropped lines when there is space again */
  constructor(stream: Writable, report: (dropped: number) => void) {
    this.#stream = stream;
    this.#report = report;
    // An error event without a listener ends the process.
    if (!stream.listeners('error').includes(ignored)) stream.on('error', ignored);
  }

  write(line: string): void {
    if (this.#waiting + line.length > MOST_WAITING) {
      this.#dropped += 1;
      return;
    }
    this.#waiting += line.length;
    this.#stream.write(line, () => {
      this.#waiting -= line.length;
      if (this.#dropped > 0 && this.#waiting <= MOST_WAITING / 2) this.#reportDropped();
    });
  }

  #reportDropped(): void {
    const dropped = this.#dropped;
    this.#dropped = 0;
    this.#report(dropped);
  }
}

function ignored(): void {
  return undefined;
}
