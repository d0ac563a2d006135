import type { ServerResponse } from 'node:http';

/** Smaller ones are in the kernel's hands before they could be counted. */
const COUNTED_BYTES = 16_384;

interface Bounds {
  readonly ofOne: number;
  readonly ofAll: number;
}

const BOUNDS: Bounds = { ofOne: 32 * 1024 * 1024, ofAll: 256 * 1024 * 1024 };

/**
 * Bytes of answers that were given and not taken: who asks for much and reads nothing fills the memory of a process that others need. Counted by
 * whom they are for, until they are with the kernel or their connection is cut.
 */
export class WaitingAnswers {
  readonly #bounds: Bounds;
  readonly #byHolder = new Map<string, number>();
  #all = 0;

  constructor(bounds: Bounds = BOUNDS) {
    this.#bounds = bounds;
  }

  /** Whether nothing more is to be made for this one: so much waits for it, or for all together. */
  isFull(holder: string): boolean {
    if (this.#all === 0) return false;
    const { ofOne, ofAll } = this.#bounds;
    return this.#all >= ofAll || (this.#byHolder.get(holder) ?? 0) >= ofOne;
  }

  /** Counts an answer that is about to be sent. */
  hold(holder: string, bytes: number, response: ServerResponse): void {
    if (bytes < COUNTED_BYTES) return;
    this.#add(holder, bytes);
    response.once('close', () => this.#add(holder, -bytes));
  }

  #add(holder: string, bytes: number): void {
    this.#all += bytes;
    const held = (this.#byHolder.get(holder) ?? 0) + bytes;
    if (held === 0) this.#byHolder.delete(holder);
    else this.#byHolder.set(holder, held);
  }
}
